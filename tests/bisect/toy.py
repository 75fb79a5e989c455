"""Generated repositories of a toy engine, whose commits differ in one number or in one branch of its control flow.

The engine is real: two ranks over MPI, every blocking call an event. What goes wrong in it is its control flow.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ENGINE = '''"""One rank of a toy engine."""

import os
import traceback

import mpi4py

mpi4py.rc.initialize = False
mpi4py.rc.finalize = False

from mpi4py import MPI

from lockstep.harness.trace import Recorder

recorder = Recorder.attach()
rank, size = int(os.environ["LOCKSTEP_RANK"]), int(os.environ["LOCKSTEP_WORLD"])
world = recorder.comm("mpi", "world", range(size))
with recorder.collective(world, "init"):
    MPI.Init()
try:
    with recorder.phase("capture"):
        shapes = 4
        {body}
        for shape in range(shapes):
            with recorder.collective(world, "barrier"):
                MPI.COMM_WORLD.Barrier()
            recorder.milestone(f"shape {{shape}}")
except Exception as error:
    traceback.print_exc()
    recorder.raised(error)
    recorder.park()
    os._exit(1)
recorder.returned()
recorder.park()
MPI.Finalize()
'''
CLEAN = "pass"
# The last rank returns before its peers: they wait for it.
SHORT = "shapes -= rank == size - 1"
# The ranks meet on two communicators.
CROSSED = """with recorder.collective(world, "comm_dup"):
            second_mpi = MPI.COMM_WORLD.Dup()
        second = recorder.comm("mpi", "second", range(size))
        with recorder.collective(second if rank else world, "barrier"):
            (second_mpi if rank else MPI.COMM_WORLD).Barrier()"""
RAISES = 'raise RuntimeError("not a hang")'
# By the count of this commit's launches, kept outside of the checkout, since a launch has nothing else that differs.
FLAKY = """from pathlib import Path
        import random
        counter = Path(os.environ["TOY_LAUNCHES"], f"rank-{rank}")
        launch = int(counter.read_text()) + 1 if counter.exists() else 1
        counter.write_text(str(launch))
        shapes -= rank == size - 1 and random.Random(launch * 7919).random() < float(os.environ["TOY_RATE"])"""


IDENTITY = {
    "GIT_AUTHOR_NAME": "toy", "GIT_AUTHOR_EMAIL": "toy@example.org", "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "toy", "GIT_COMMITTER_EMAIL": "toy@example.org", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
}  # fmt: skip


@dataclass(slots=True)
class Toy:
    """A repository that is being generated."""

    path: Path
    commits: list[str] = field(default_factory=list)

    def git(self, *words: str, text: str = "", env: Mapping[str, str] = IDENTITY) -> str:
        """Run git in it."""
        env = {**os.environ, **IDENTITY, **env}
        done = subprocess.run(
            ["git", *words], cwd=self.path, env=env, input=text, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


Files = Callable[[int], dict[str, str]]


def nothing(number: int) -> dict[str, str]:
    """No files beside the engine."""
    return {}


def linear(path: Path, count: int, body: Callable[[int], str], folder: str = "engines", extra: Files = nothing) -> Toy:
    """`count` commits after a first one, number 0. `body(i)` is what commit i does in its capture."""
    return generate(path, [[number - 1] if number else [] for number in range(count + 1)], body, folder, extra)


def generate(
    path: Path,
    parents: Sequence[Sequence[int]],
    body: Callable[[int], str],
    folder: str = "engines",
    extra: Files = nothing,
) -> Toy:
    """A repository with these commits, of which only the first has no parent, by `git fast-import`.

    A file of `extra` without text is left out of the commit.
    """
    path.mkdir(parents=True)
    toy = Toy(path)
    toy.git("init", "--quiet", "--initial-branch", "main")
    stream: list[str] = []
    for number, above in enumerate(parents):
        files = {
            f"{folder}/minimal/__main__.py": ENGINE.format(body=body(number)),
            "VERSION": f"{number}\n",
            **extra(number),
        }
        message = f"Commit {number}"
        stream += ["commit refs/heads/main", f"mark :{number + 1}", "committer toy <toy@example.org> 1767225600 +0000"]
        stream += [f"data {len(message)}", message]
        stream += [f"{'merge' if place else 'from'} :{parent + 1}" for place, parent in enumerate(above)]
        stream += ["deleteall"]
        for name, content in files.items():
            if not content:
                continue
            stream += [f"M 100644 inline {name}", f"data {len(content.encode())}", content]
    marks = path / ".git" / "marks"
    toy.git("fast-import", "--quiet", f"--export-marks={marks}", text="\n".join(stream) + "\n")
    found = dict(line.split() for line in marks.read_text().splitlines())
    toy.git("reset", "--hard", "--quiet")
    toy.commits = [found[f":{number + 1}"] for number in range(len(parents))]
    return toy
