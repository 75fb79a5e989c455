"""Hosts on one machine: each has its own name, addresses, clock, processes, /tmp, /dev/shm and sshd, in its own namespaces.

Over the size we keep: what makes a host and what ends it must be seen together, as one of them undoes the other.
All of it hangs on processes: nothing has a name outside, and what a killed test leaves the kernel removes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HEAD = "login"
NODES = ("node1", "node2", "node3")
NETWORKS = {"eth0": "10.77.0.", "eth1": "10.78.0."}  # each host has an address in both; names mean the first
VERSION_6 = {"eth0": "fd00:77::", "eth1": "fd00:78::"}
OWN = ("/tmp", "/dev/shm", "/run", "/var/tmp")  # places that a host shares with nobody
HOME = "/run/root"
PROGRAMS = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
}
SSH_CONFIG = """\
Host *
  IdentityFile /etc/ssh/client_key
  IdentitiesOnly yes
  GlobalKnownHostsFile /etc/ssh/known_hosts
  UserKnownHostsFile /dev/null
  UpdateHostKeys no
"""
SSHD_CONFIG = """\
HostKey /etc/ssh/host_key
AuthorizedKeysFile /etc/ssh/client_key.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
UseDNS no
PrintMotd no
PidFile none
MaxStartups 100
MaxSessions 100
"""


def missing() -> str:
    """Why no hosts can be made on this machine, and what to do; empty where they can."""
    if os.geteuid() != 0:
        return "test hosts are namespaces, which only root may make: run `sudo make test-cluster`"
    places = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    packages = sorted({package for name, package in PROGRAMS.items() if shutil.which(name, path=places) is None})
    return f"apt-get install {' '.join(packages)}" if packages else ""


@dataclass(slots=True)
class Host:
    """One host. `pid` is that of its first process, as this machine counts."""

    name: str
    addresses: dict[str, str]  # by device
    clock_s: int  # how far its monotonic clock is ahead of this machine's
    unshare: subprocess.Popen[str] | None = None
    pid: int = 0
    running: list[Command] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Its address on the first network."""
        return self.addresses["eth0"]

    @property
    def up(self) -> bool:
        """Whether it is there."""
        return self.unshare is not None and self.unshare.poll() is None

    def path(self, inside: str | Path) -> Path:
        """Where this machine finds a file of the host. Goes with the host."""
        return Path(f"/proc/{self.pid}/root") / Path(inside).relative_to("/")

    def processes(self) -> dict[int, list[str]]:
        """The command line of every process of the host, by its number on this machine; without the host's own."""
        wanted = Path(f"/proc/{self.pid}/ns/pid").readlink()
        found: dict[int, list[str]] = {}
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (place / "ns/pid").readlink() == wanted and int(place.name) != self.pid:
                    words = (place / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                    if words != [b""]:  # a zombie has none
                        found[int(place.name)] = [word.decode(errors="replace") for word in words]
        return {
            pid: words for pid, words in found.items() if not words[0].startswith(("sshd: /usr/sbin/sshd", "/usr/sbin/sshd"))
        }


class Command:
    """A command that runs in a host."""

    def __init__(self, process: subprocess.Popen[Any]) -> None:
        self.process = process  # nsenter; the command is its child

    def pid(self, timeout_s: float = 20.0) -> int:
        """Its process, as this machine counts."""
        place = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        end = time.monotonic() + timeout_s
        while self.process.poll() is None and time.monotonic() < end:
            if children := place.read_text().split():
                return int(children[0])
            time.sleep(0.01)
        raise ProcessLookupError("the command has ended")

    def send(self, signum: int) -> None:
        """Send it a signal."""
        os.kill(self.pid(), signum)

    def wait(self, timeout_s: float = 60.0) -> int:
        """Its exit status; 128 + N after signal N."""
        return self.process.wait(timeout_s)


class Cluster:
    """A head host and others, on two networks. A context manager: at its end all that ran in them is gone.

    Over the size we keep: it is all that a test can do to hosts, a method an act, each of a few lines.
    """

    def __init__(self, names: Sequence[str] = NODES, networks: Mapping[str, str] = NETWORKS) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"lockstep-cluster-{os.getpid()}-"))
        self.head = HEAD
        self.nodes = tuple(names)
        self._switch: subprocess.Popen[str] | None = None
        self._hosts: dict[str, Host] = {}
        for number, name in enumerate((HEAD, *names)):
            addresses = {device: f"{net}{10 + number}" for device, net in networks.items()}
            self._hosts[name] = Host(name, addresses, clock_s=(number * 7919) % 100_000)

    @property
    def hosts(self) -> dict[str, Host]:
        """All hosts by name, the head first."""
        return self._hosts

    def __getitem__(self, name: str) -> Host:
        return self._hosts[name]

    def __enter__(self) -> Cluster:
        _remove_stale()
        try:
            self._write()
            self._switch = _hold(["unshare", "--net", "cat"], self.folder / "switch.log")
            _until(lambda: _namespace(self._switch, "net") != _namespace(None, "net"))
            for number in range(len(NETWORKS)):
                self._in_switch("ip", "link", "add", f"br{number}", "type", "bridge")
                self._in_switch("ip", "link", "set", f"br{number}", "up")
            for name in self._hosts:
                self.boot(name)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # --- the life of a host ---------------------------------------------------------------------------------------

    def boot(self, name: str) -> None:
        """Make a host, or make it anew."""
        host = self._hosts[name]
        argv = ["unshare", "--net", "--uts", "--ipc", "--mount", "--pid", "--time", "--monotonic", str(host.clock_s)]
        argv += ["--boottime", str(host.clock_s)]
        argv += ["--fork", "--kill-child=KILL", "--mount-proc", "--propagation", "private"]
        self._unplug(name)
        init = [sys.executable, "-I", str(HERE / "init.py"), str(self.folder / f"{name}.json")]
        host.unshare = _hold([*argv, *init], self.folder / f"{name}.log")
        host.pid = Command(host.unshare).pid()
        _until(lambda: _namespace(host.pid, "net") not in (_namespace(None, "net"), None))
        for number, device in enumerate(NETWORKS):
            end, last = f"{name}.{number}", int(re.split("[.:]", host.addresses[device])[-1])
            card = ["address", f"02:00:00:00:{number:02x}:{last:02x}", "netns", str(host.pid)]  # the same after a new start
            self._in_switch("ip", "link", "add", end, "type", "veth", "peer", "name", device, *card)
            self._in_switch("ip", "link", "set", end, "master", f"br{number}", "up")
        assert host.unshare.stdin is not None and host.unshare.stdout is not None
        host.unshare.stdin.write("go\n")
        host.unshare.stdin.flush()
        if host.unshare.stdout.readline() != "up\n":
            raise RuntimeError(f"test host {name} did not come up: {(self.folder / f'{name}.log').read_text()}")

    def kill(self, name: str) -> None:
        """As if its power failed: the others hear no good-bye. `boot` brings it back."""
        if self._hosts[name].up:
            self.cut(name)
        self._end(self._hosts[name])

    def _unplug(self, name: str) -> None:
        """The kernel removes the links of a host that has ended, some time."""
        for number in range(len(NETWORKS)):
            with contextlib.suppress(subprocess.CalledProcessError):
                self._in_switch("ip", "link", "del", f"{name}.{number}")

    def cut(self, name: str) -> None:
        """Pull its cables."""
        self._links(name, "down")

    def mend(self, name: str) -> None:
        """Put them back."""
        self._links(name, "up")

    def slow(self, name: str, ms: int) -> None:
        """Delay what it sends. 0: no more. Raises RuntimeError where this kernel has no netem."""
        for number in range(len(NETWORKS)):
            argv = ["tc", "qdisc", "replace" if ms else "del", "dev", f"{name}.{number}", "root", "netem"]
            try:
                self._in_switch(*argv, *(["delay", f"{ms}ms"] if ms else []))
            except subprocess.CalledProcessError as error:
                raise RuntimeError("this kernel cannot delay packets (CONFIG_NET_SCH_NETEM)") from error

    def _links(self, name: str, state: str) -> None:
        for number in range(len(NETWORKS)):
            self._in_switch("ip", "link", "set", f"{name}.{number}", state)

    # --- commands in hosts ----------------------------------------------------------------------------------------

    def start(
        self,
        name: str,
        argv: Sequence[str | Path],
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        stdin: int | IO[Any] = subprocess.DEVNULL,
        stdout: int | IO[Any] | None = subprocess.DEVNULL,
        stderr: int | IO[Any] | None = subprocess.STDOUT,
    ) -> Command:
        """Start a command in a host, in a session of its own. It ends with the cluster at the latest.

        It gets this process's environment, with `env` on top.
        """
        host = self._hosts[name]
        if not host.up:
            raise RuntimeError(f"test host {name} is not up")
        enter = ["setpriv", "--pdeathsig", "KILL", "nsenter", "--target", str(host.pid)]
        enter += ["--net", "--uts", "--ipc", "--mount", "--pid", "--time"]
        enter += ["env", f"--chdir={cwd or ROOT}", "setpriv", "--pdeathsig", "KILL"]
        process = subprocess.Popen(
            [*enter, *map(str, argv)],
            env={**os.environ, "HOME": HOME, **(env or {})},
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
        command = Command(process)
        host.running.append(command)
        return command

    def run(
        self,
        name: str,
        argv: Sequence[str | Path],
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        timeout_s: float = 110.0,
        check: bool = True,
        input: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a host and get what it printed. `check`: an exit status other than 0 is an error."""
        pipe = subprocess.PIPE
        stdin = subprocess.DEVNULL if input is None else pipe
        command = self.start(name, argv, env, cwd, stdin=stdin, stdout=pipe, stderr=pipe)
        try:
            out, err = command.process.communicate(input, timeout_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                command.send(signal.SIGKILL)
            out, err = command.process.communicate()
            raise AssertionError(f"{name}: {argv} took more than {timeout_s} s:\n{out}\n{err}") from None
        finally:
            self._hosts[name].running.remove(command)
        code = command.process.returncode
        if check and code != 0:
            raise AssertionError(f"{name}: {argv} ended with {code}:\n{out}\n{err}")
        return subprocess.CompletedProcess([str(word) for word in argv], code, out, err)

    # --- set-up and end -------------------------------------------------------------------------------------------

    def _write(self) -> None:
        """The files of all hosts: who is where, and the keys by which they reach each other."""
        ssh = self.folder / "ssh"
        ssh.mkdir(mode=0o755)
        for key in ("host_key", "client_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", str(ssh / key)], check=True)
        (ssh / "ssh_config").write_text(SSH_CONFIG)
        (ssh / "sshd_config").write_text(SSHD_CONFIG)
        (ssh / "known_hosts").write_text(f"* {(ssh / 'host_key.pub').read_text()}")
        people = [line for line in Path("/etc/passwd").read_text().splitlines() if not line.startswith("root:")]
        people.append(f"root:x:0:0:root:{HOME}:/bin/bash")  # a home without files of this machine's root
        (self.folder / "passwd").write_text("\n".join(people) + "\n")
        lines = ["127.0.0.1 localhost"]
        own = [*OWN, *(str(place) for place in (ROOT / "reports" / "runs",) if place.is_dir())]
        for host in self._hosts.values():
            lines.append(f"{host.addresses['eth0']} {host.name} {host.name}.cluster")
            lines.append(f"{host.addresses['eth1']} {host.name}-fast")
            (self.folder / f"{host.name}.boot_id").write_text(f"{uuid.uuid4()}\n")
            settings = {"name": host.name, "folder": str(self.folder), "addresses": host.addresses, "own": own}
            settings |= {"home": HOME, "shared": [str(ROOT), sys.prefix, sys.base_prefix]}
            (self.folder / f"{host.name}.json").write_text(json.dumps(settings))
        (self.folder / "hosts").write_text("\n".join(lines) + "\n")

    def _in_switch(self, *argv: str) -> None:
        assert self._switch is not None
        enter = ["nsenter", "--target", str(self._switch.pid), "--net"]
        subprocess.run([*enter, *argv], check=True, capture_output=True, text=True)

    def _end(self, host: Host) -> None:
        if host.unshare is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if host.up:
                os.kill(host.pid, signal.SIGKILL)  # and with it all processes of the host
        host.unshare.wait()
        for pipe in (host.unshare.stdin, host.unshare.stdout):
            if pipe is not None:
                pipe.close()
        for command in host.running:
            command.process.wait()
            for end in (command.process.stdin, command.process.stdout, command.process.stderr):
                if end is not None:
                    end.close()
        host.running.clear()

    def close(self) -> None:
        """End everything. Safe to call at any time."""
        for host in self._hosts.values():
            with contextlib.suppress(ProcessLookupError):
                if host.up and host.pid:
                    os.kill(host.pid, signal.SIGKILL)  # all at once: an end takes the kernel a moment
        for host in self._hosts.values():
            self._end(host)
        if self._switch is not None:
            self._switch.kill()
            self._switch.wait()
            for pipe in (self._switch.stdin, self._switch.stdout):
                if pipe is not None:
                    pipe.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _hold(argv: list[str], log: Path) -> subprocess.Popen[str]:
    """A process that ends when this one does, however that ends."""
    pipe = subprocess.PIPE
    with log.open("w") as errors:
        hold = ["setpriv", "--pdeathsig", "KILL", *argv]
        return subprocess.Popen(hold, stdin=pipe, stdout=pipe, stderr=errors, text=True, start_new_session=True)


def _namespace(process: subprocess.Popen[str] | int | None, kind: str) -> str | None:
    pid = "self" if process is None else process if isinstance(process, int) else process.pid
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{pid}/ns/{kind}").readlink())
    return None


def _until(done: Callable[[], bool], timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > end:
            raise TimeoutError("a namespace was not made")
        time.sleep(0.01)


def _remove_stale() -> None:
    """Folders of tests that were killed: their hosts are gone, their files are not."""
    for folder in Path(tempfile.gettempdir()).glob("lockstep-cluster-*-*"):
        pid = folder.name.split("-")[2]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)
