"""How launchers reach other hosts: by the user's own ssh, which must not ask and must not wait for ever."""

from __future__ import annotations

import re
from pathlib import Path

# Ten seconds to connect. A host that answers nothing for half a minute is lost, as the watchdog says of its supervisors.
OPTIONS = {"BatchMode": "yes", "ConnectTimeout": "10", "ServerAliveInterval": "10", "ServerAliveCountMax": "3"}
PLAIN = """\
#!/bin/sh
exec ssh -E "$0.log" {options} "$@"
"""
# Hydra calls: ssh [-x] HOST PROXY ARGUMENTS... Its proxy writes a description of the host into /tmp and forgets it when a
# rank aborts; it writes none when this variable names one, and empty names none.
HYDRA = """\
#!/bin/sh
while [ "$1" = -x ]; do shift; done
host=$1
shift
exec ssh -x -E "$0.log" {options} "$host" env HWLOC_XMLFILE= "$@"
"""
PROGRAM = "ssh"
LOG = f"{PROGRAM}.log"  # what ssh itself has to say; launchers say much around it
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What belongs to a host or to a login there, or is the launcher's own.
STAYS = re.compile(
    r"_|PWD|OLDPWD|SHLVL|HOME|USER|LOGNAME|SHELL|MAIL|HOST|HOSTNAME|HOSTTYPE|TERM|DISPLAY|XAUTHORITY"
    r"|(SSH|XDG|DBUS|PMIX|PRTE|OMPI_ALLOW|PMI)_.*"
)


def write(folder: Path, form: str) -> str:
    """A program in `folder` that launchers take for ssh; its path."""
    program = folder / PROGRAM
    program.write_text(form.format(options=" ".join(f"-o {name}={value}" for name, value in OPTIONS.items())))
    program.chmod(0o700)
    return str(program)


def is_forwarded(name: str) -> bool:
    """Whether a variable of this host's environment is for ranks on other hosts too."""
    return NAME.fullmatch(name) is not None and STAYS.fullmatch(name) is None
