"""What is installed: one package that declares what it imports, and works from any folder beside programs of any name."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# The name that is imported, where it is not the distribution's.
DISTRIBUTIONS = {
    "yaml": "pyyaml",
    "zmq": "pyzmq",
    "pynvml": "nvidia-ml-py",
    "py_spy": "py-spy",
    "typing_extensions": "typing-extensions",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist of a clean copy of the checkout, so that no build folder is made in it."""
    folder = tmp_path_factory.mktemp("distribution")
    source = folder / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in tracked.stdout.splitlines():
        if (ROOT / name).is_symlink() or (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name, follow_symlinks=False)
    code = "from setuptools import build_meta as b; print(b.build_sdist('..'), b.build_wheel('..'))"
    subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, check=True, timeout=300)
    return folder


def wheel(folder: Path) -> Path:
    """The one wheel of a folder."""
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The `bin` of a new environment into which pip has installed the wheel; other libraries are those of this one."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(place), "platbase": str(place)}))
    pip = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python"), "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "--quiet", "--no-deps", "--no-index", str(wheel(built))], check=True, timeout=200)
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")  # names in it: its .pth files are not read
    for library in Path(sys.prefix, "lib").iterdir():  # MPI's wheel puts its libraries beside the interpreter's
        if not (place / "lib" / library.name).exists():
            (place / "lib" / library.name).symlink_to(library)
    yield place / "bin"


def run(bin: Path, folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command of the new environment, in a folder that knows nothing of the checkout."""
    own = f"{bin}:{sysconfig.get_path('scripts')}:{os.environ['PATH']}"  # mpiexec is this environment's
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "LOCKSTEP_SCENARIOS")}
    env = {**kept, "PATH": own, **environment}
    command = [str(bin / words[0]), *words[1:]]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=110, check=False)


def test_wheel_holds_one_package(built: Path) -> None:
    """The wheel claims the name lockstep and no other, and holds code, scenarios, the type marker and the licence."""
    with zipfile.ZipFile(wheel(built)) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name.split("/")[0]} == {"lockstep"}
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]
    present = set(names)
    assert {"lockstep/py.typed", "lockstep/harness/cli.py", "lockstep/engines/minimal/rank.py"} <= present
    sources = {str(path.relative_to(ROOT)) for top in ("harness", "engines") for path in (ROOT / top).rglob("*.py")}
    assert {f"lockstep/{name}" for name in sources} <= present
    scenarios = {str(path.relative_to(ROOT)) for path in (ROOT / "scenarios").rglob("*.yaml")}
    assert {f"lockstep/{name}" for name in scenarios} <= present
    tables = {str(path.relative_to(ROOT)) for path in (ROOT / "engines").rglob("*.yaml")}
    assert tables
    assert {f"lockstep/{name}" for name in tables} <= present


def test_sdist_builds_a_wheel(built: Path, tmp_path: Path) -> None:
    """What is in the sdist is enough to build the same wheel."""
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    code = "from setuptools import build_meta as b; b.build_wheel('..')"
    subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, check=True, timeout=300)
    with zipfile.ZipFile(wheel(tmp_path)) as again, zipfile.ZipFile(wheel(built)) as first:
        assert sorted(again.namelist()) == sorted(first.namelist())


def test_every_import_is_declared(built: Path) -> None:
    """The dependencies are what the code imports or starts: none is missing, none is left over."""
    with zipfile.ZipFile(wheel(built)) as archive:
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    declared = set(re.findall(r"^Requires-Dist: ([\w-]+)", metadata, re.MULTILINE))
    imported: set[str] = set()
    for top in ("harness", "engines"):
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    imported.add(node.module.split(".")[0])
    ours = {"lockstep", "sitecustomize", "pytest"}  # only pytest itself loads the file that imports it
    foreign = {DISTRIBUTIONS.get(name, name) for name in imported - set(sys.stdlib_module_names) - ours}
    assert {DISTRIBUTIONS.get(name, name) for name in foreign} | {"py-spy"} == declared  # py-spy is a program, not a module


def test_a_scenario_from_any_folder(installed: Path, tmp_path: Path) -> None:
    """The installed scenarios are found by name from an unrelated folder, and one of them is judged there."""
    done = run(installed, tmp_path, "lockstep", "run", "attention-asymmetric", "-k", "attention=none", "--device", "cpu")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hang (deadlock)" in done.stdout + done.stderr
    assert list(tmp_path.glob("reports/runs/*/cases/*/verdict.json"))


def test_a_folder_of_scenarios_by_variable(installed: Path, tmp_path: Path) -> None:
    """LOCKSTEP_SCENARIOS names the folder that is searched; one that is not there is a mistake of the input."""
    chosen = tmp_path / "mine"
    shutil.copytree(ROOT / "scenarios" / "deepep", chosen)
    done = run(installed, tmp_path, "lockstep", "list", LOCKSTEP_SCENARIOS=str(chosen))
    assert done.returncode == 0, done.stderr
    assert "opposite-order" in done.stdout
    assert "attention-asymmetric" not in done.stdout
    wrong = run(installed, tmp_path, "lockstep", "list", LOCKSTEP_SCENARIOS=str(tmp_path / "none"))
    assert (wrong.returncode, "LOCKSTEP_SCENARIOS" in wrong.stderr, "Traceback" in wrong.stderr) == (2, True, False)


PROGRAM = """
import harness, engines, lockstep_notes
from mpi4py import MPI
MPI.COMM_WORLD.Barrier()
print(harness.whose, engines.whose, lockstep_notes.whose)
"""


def test_watch_beside_modules_of_our_folders_names(installed: Path, tmp_path: Path) -> None:
    """A program with modules named harness and engines of its own runs unharmed under the installed watch."""
    for name in ("harness", "engines", "lockstep_notes"):
        (tmp_path / f"{name}.py").write_text("whose = 'mine'\n")
    (tmp_path / "program.py").write_text(PROGRAM)
    done = run(installed, tmp_path, "lockstep", "watch", "-n", "2", "--deadline", "60", "--", "python", "program.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("mine mine mine") == 2
