"""The first process of a test host: `python -I init.py SETTINGS.json`, in its namespaces: it makes the host, and reaps.

It prints `up` when the host can be reached, and ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def call(*argv: str) -> None:
    """Run a command; it must succeed."""
    subprocess.run(argv, check=True)


def bind(before: int, place: str) -> None:
    """Mount what a descriptor holds, with all that is mounted in it. By its own name it would be what covers it now."""
    argv = ["mount", "--no-canonicalize", "--rbind", f"/proc/self/fd/{before}", place]
    subprocess.run(argv, check=True, pass_fds=[before])


def mount(settings: dict[str, Any]) -> None:
    """Folders that are this host's own, and files that say who it is."""
    folder = Path(settings["folder"])
    for name, place in {"hosts": "/etc/hosts", "ssh": "/etc/ssh", "passwd": "/etc/passwd"}.items():
        call("mount", "--bind", str(folder / name), place)
    # What libraries tell two hosts apart by.
    call("mount", "--bind", str(folder / f"{settings['name']}.boot_id"), "/proc/sys/kernel/random/boot_id")
    # Network devices as this host has them; libraries look there.
    groups = os.open("/sys/fs/cgroup", os.O_PATH)
    call("mount", "-t", "sysfs", "sysfs", "/sys")
    bind(groups, "/sys/fs/cgroup")
    shared = {place: os.open(place, os.O_PATH) for place in settings["shared"]}
    for own in settings["own"]:
        call("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", own)
        for place, before in shared.items():
            if Path(own) in Path(place).parents:
                Path(place).mkdir(parents=True)
                bind(before, place)
    Path("/run/sshd").mkdir(mode=0o755)
    Path(settings["home"]).mkdir(mode=0o700)


def network(settings: dict[str, Any]) -> None:
    """Addresses of the links that were moved here."""
    call("ip", "link", "set", "lo", "up")
    for device, address in settings["addresses"].items():
        # Of version 6 none is in use before it is known that nobody else has it, which takes seconds.
        told = [f"{address}/64", "nodad"] if ":" in address else [f"{address}/24"]
        call("ip", "addr", "add", *told, "dev", device)
        call("ip", "link", "set", device, "up")


def serve() -> None:
    """Start sshd, and wait until it listens."""
    subprocess.Popen(["/usr/sbin/sshd", "-D", "-E", "/run/sshd.log"], stdin=subprocess.DEVNULL, stdout=2)
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", 22)) == 0:
                return
        time.sleep(0.02)


def main(path: str) -> None:
    """Make the host; then bury who dies here, until the test is over."""
    settings = json.loads(Path(path).read_text())
    socket.sethostname(settings["name"])
    mount(settings)
    sys.stdin.readline()  # the links are there
    network(settings)
    serve()
    print("up", flush=True)
    bell, ring = os.pipe()
    os.set_blocking(ring, False)
    signal.set_wakeup_fd(ring)
    signal.signal(signal.SIGCHLD, lambda signum, frame: None)
    while 0 not in select.select([0, bell], [], [])[0]:
        os.read(bell, 4096)
        while _reap():
            pass


def _reap() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] > 0
    except ChildProcessError:
        return False


if __name__ == "__main__":
    main(*sys.argv[1:])
