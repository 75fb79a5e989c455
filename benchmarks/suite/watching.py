"""One program of a suite under `lockstep watch`: built if it is a source, and ended with all that it began."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from benchmarks.suite.result import Result, key_of, of_verdict
from benchmarks.suite.table import Program, SuiteError

BUILD_S = 120.0
TEARDOWN_S = 30.0  # what `lockstep watch` is given to end what it has started
SAID = 300  # characters of a compiler's or a command's last words


@dataclass(frozen=True, slots=True)
class Options:
    """How each program is run. `kept`: the folder for the runs of programs that were judged wrong."""

    deadline_s: float
    timeout_s: float
    launcher: str
    built: Path
    kept: Path
    compiler: str

    @property
    def words(self) -> str:
        """What a result depends on."""
        return f"--deadline {self.deadline_s:g} --timeout {self.timeout_s:g} --launcher {self.launcher}"


def compiler() -> str:
    """The MPI compiler wrapper of the environment that Python runs in, or of the machine; empty: none."""
    own = Path(sys.executable).parent / "mpicc"
    return str(own) if own.is_file() else shutil.which("mpicc") or ""


class _NotBuiltError(Exception):
    """A source that does not compile here."""


class Watching:
    """Runs programs, from several threads."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def watch(self, program: Program) -> Result:
        """Build it if need be, and run it."""
        options = self.options
        key = key_of(program, options.words)
        try:
            argv = self._command(program)
        except _NotBuiltError as error:
            return Result(program.name, key, "not-built", text=str(error))
        with tempfile.TemporaryDirectory(prefix="lockstep-suite-") as folder:
            started = time.monotonic()
            words = ["-n", str(program.ranks), "--deadline", f"{options.deadline_s:g}", "--launcher", options.launcher]
            run = [*words, "--reports", folder, "--run-id", key, "--json", "--", *argv]
            code, out, said = self._run([sys.executable, "-m", "lockstep.harness.cli", "watch", *run], options.timeout_s)
            took = time.monotonic() - started
            raw = _verdict(out)
            if raw is None:
                kind = "time-out" if code is None else "no-verdict"
                return Result(program.name, key, kind, text=f"exit code {code}: {said[-SAID:]}", total_s=took)
            result = of_verdict(program.name, key, raw, took)
            if result.told == program.correct or not result.judged:
                kept = options.kept / key
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(Path(folder) / key, kept, symlinks=True, ignore_dangling_symlinks=True)
                result = replace(result, folder=str(kept))
            return result

    def stop(self) -> None:
        """End what runs; `lockstep watch` ends what it has started."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.send_signal(signal.SIGTERM)

    def _command(self, program: Program) -> list[str]:
        if program.path is None:
            return list(program.command)
        path = program.path.resolve()
        if path.suffix == ".py":
            return [sys.executable, str(path), *program.arguments]
        if path.suffix == ".c":
            path = self._built(path)
        return [str(path), *program.arguments]

    def _built(self, source: Path) -> Path:
        """The executable of a source; made again only where the source is newer."""
        if not self.options.compiler:
            raise _NotBuiltError("no mpicc here; put the compiled program into the folder")
        place = hashlib.sha256(str(source).encode()).hexdigest()[:8]
        target = self.options.built.resolve() / place / source.stem
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            made = Path(folder) / target.name
            build = [self.options.compiler, "-g", "-O0", "-w", str(source), "-o", str(made), "-lm"]
            code, _, said = self._run(build, BUILD_S)
            if code != 0:
                raise _NotBuiltError(" ".join(said[-SAID:].split()) or f"{self.options.compiler} failed")
            made.replace(target)  # it may run as another program, with other arguments, at the same time
        return target

    def _run(self, argv: list[str], limit_s: float) -> tuple[int | None, str, str]:
        """Exit code (None: it did not end in time), what it printed, what it said on stderr."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            with self._lock:
                if self._stopped:
                    return None, "", "stopped"
                # A group of its own: Ctrl-C must reach us alone, who end what runs.
                process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
                self._running.add(process)
            try:
                code = _ended(process, limit_s)
            finally:
                with self._lock:
                    self._running.discard(process)
            return code, _text(out), _text(err)


def _ended(process: subprocess.Popen[bytes], limit_s: float) -> int | None:
    """Its exit code; None where it had to be ended."""
    code: int | None = None
    try:
        code = process.wait(limit_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(TEARDOWN_S)
    finally:
        process.kill()
        process.wait()
    return code


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _verdict(out: str) -> dict[str, Any] | None:
    """The verdict is the last thing that is printed."""
    for line in reversed(out.splitlines()):
        try:
            raw = json.loads(line)
        except ValueError:
            continue
        return raw if isinstance(raw, dict) and "outcome" in raw else None
    return None


def check_launcher(name: str) -> str:
    """A launcher that `lockstep watch` knows. Raises SuiteError."""
    if name not in ("auto", "hydra", "prrte"):
        raise SuiteError(f"--launcher {name}: give auto, hydra or prrte")
    return name
