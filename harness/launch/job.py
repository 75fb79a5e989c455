"""One launched job: the launcher's process, its private temporary folder, its output, and its end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from lockstep.harness.launch import ssh
from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.rank_map import RankMap

CANNOT_START = "lockstep supervisor: cannot start what it was to run on"  # so begins what one says that had to give up
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # N ranks share a host's cores
LONGEST_FOLDER = 60  # bytes: a socket's path may have 107, and ours are some forty longer than TMPDIR
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo"}  # the ranks of one host need no other interface
# Of a job on other hosts, whose supervisors cannot tidy up here: when this process ends without a word, the launcher follows
# its supervisors, or is ended, and its folder goes. $1: its process group, $2: the folder.
GUARD = """\
cat
for _ in $(seq 450); do kill -0 -- -$1 2>/dev/null || break; sleep 0.1; done
kill -KILL -- -$1 2>/dev/null
rm -rf "$2"
"""


def short_folder() -> str:
    """Where temporary files go: TMPDIR, or /tmp where that is so long that no socket below it could have a name."""
    wanted = tempfile.gettempdir()
    return "/tmp" if len(os.fsencode(wanted)) > LONGEST_FOLDER and os.access("/tmp", os.W_OK) else wanted


def environment_of(launcher: Launcher, local: bool, ours: bool) -> dict[str, str]:
    """What all processes of a launcher get, whatever the case."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(launcher.withheld)}
    suited = {**ONE_THREAD, **(LOOPBACK if local else {})} if ours else {}
    return {**inherited, **suited, **launcher.environment}


class Job:
    """N processes started by an MPI launcher. `end()` is safe to call at any time and leaves nothing behind."""

    def __init__(
        self,
        launcher: Launcher,
        rank_map: RankMap,
        argv: list[str],
        environment: Mapping[str, str],
        log: Path,
        ours: bool = True,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        """`ours`: the ranks are of our engines, which get the interface and the threads that suit them."""
        # Launchers leave files in TMPDIR when they are killed. Short, since socket paths may have 108 bytes only.
        self.folder = Path(tempfile.mkdtemp(prefix="lockstep-", dir=short_folder()))
        self.log = log
        self.launcher = launcher
        env = {**environment_of(launcher, rank_map.local, ours), **environment}
        env |= {launcher.folder_variable: str(self.folder), "HYDRA_TMPDIR": str(self.folder)}
        try:
            with log.open("wb") as output:
                self.process = subprocess.Popen(
                    launcher.command(rank_map, argv, self.folder, env),
                    env=env,
                    stdin=stdin,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C reaches the head only; it ends the job in order
                )
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise LaunchError(f"cannot start {launcher.program}: {error}") from error
        self._guard = None if rank_map.local else self._guarded()

    def _guarded(self) -> subprocess.Popen[bytes]:
        words = ["sh", "-c", GUARD, "lockstep-guard", str(self.process.pid), str(self.folder)]
        devnull = subprocess.DEVNULL
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=devnull, stderr=devnull, start_new_session=True)

    def exit_code(self) -> int | None:
        """The launcher's exit status; None while it runs. Never a verdict."""
        return self.process.poll()

    def tail(self, lines: int = 12) -> str:
        """The end of the launcher's output, below what ssh says."""
        return "\n".join([*_lines(self.folder / ssh.LOG)[-lines:], *_lines(self.log)[-lines:]])

    def futile(self) -> bool:
        """Whether a supervisor has said that its program is not there, or cannot be run: another launch ends the same."""
        return any(line.startswith(CANNOT_START) for line in _lines(self.log))

    def end(self, patience_s: float = 5.0) -> None:
        """Wait for the launcher, kill what it started and it; its folder goes, whatever cuts this short."""
        try:
            self._wait(patience_s)
            if self._guard is not None:
                self._guard.kill()
                self._guard.communicate()
            if said := _lines(self.folder / ssh.LOG):
                with self.log.open("a") as output:
                    output.write("\n".join(["", "ssh says:", *said, ""]))
        finally:
            self._kill()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _wait(self, patience_s: float) -> None:
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.launcher.end(self.folder.name)
            self._kill()
            self.process.wait()

    def _kill(self) -> None:
        """The launcher and its process group, unless it has ended."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


def _lines(path: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace").splitlines()
    return []
