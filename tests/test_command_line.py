"""The command line as people meet it: help, mistakes, completion, and what its start costs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.harness import cli
from lockstep.harness.commands import completion
from lockstep.harness.commands.table import COMMANDS, overview
from lockstep.harness.launch import discovery

ROOT = Path(__file__).parents[1]
LOCKSTEP = Path(sys.executable).with_name("lockstep")


def test_the_table_has_every_command() -> None:
    """What the table names is what its modules declare, and each has its sentence as description."""
    (action,) = (one for one in cli.parser()._actions if one.choices)
    declared = dict(action.choices or {})
    assert set(declared) - {"complete"} == set(COMMANDS)
    assert all(one.description for name, one in declared.items() if name != "complete")


def test_the_help_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command with its sentence, examples and exit codes, in 80 columns."""
    assert cli.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert said == f"{overview()}\n"
    assert max(map(len, said.splitlines())) <= 80
    assert all(f"\n  {name} " in said for name in COMMANDS)
    assert "examples:" in said
    assert "exit codes:" in said


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_help_of_each_command(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there, says what the command is for, and fits 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    with contextlib.suppress(SystemExit):
        assert cli.main([name, "--help"]) == 0  # judge-commit returns it
    said = capsys.readouterr().out
    assert COMMANDS[name].sentence[1:].split()[0] in said
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lst"], "lockstep: lst: no such command; did you mean list?"),
        (["hist"], "lockstep: hist: no such command; did you mean history?"),
        (["frobnicate"], "lockstep: frobnicate: no such command; there are watch, run, "),
        (["--nosuch"], "lockstep: --nosuch: no such option; there are --help, --version"),
        (["--verson"], "lockstep: --verson: no such option; did you mean --version?"),
        ([], "usage: lockstep [-h] [--version] COMMAND ..."),
        (["show", "slow-rnk"], "slow-rnk: no such file, folder or scenario; did you mean slow-rank?"),
    ],
)
def test_a_mistyped_name(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What was probably meant is named, and the exit code is that of a mistake."""
    assert cli.main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(said)


@pytest.mark.parametrize(
    ("words", "usage", "said"),
    [
        (["watch", "--nosuch", "--", "true"], "usage: lockstep watch ", "unrecognized arguments: --nosuch\n"),
        (["run", "--bugdet", "3"], "usage: lockstep run ", "unrecognized arguments: --bugdet; did you mean --budget?\n"),
        (["compare"], "usage: lockstep compare ", "the following arguments are required: OLD, NEW\n"),
    ],
)
def test_a_mistake_in_options(words: list[str], usage: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The mistake comes first, with what was probably meant, then the command's own usage in a few lines."""
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(f"lockstep {words[0]}: {said}")
    assert told.splitlines()[1].startswith(usage)
    assert len(told.splitlines()) <= 5
    assert told.endswith(f"`lockstep {words[0]} --help` tells more\n")


@pytest.mark.parametrize(("called", "name"), [("slurm", "srun"), ("MPICH", "hydra"), ("ompi", "prrte"), ("srn", "srun")])
def test_a_launcher_that_is_called_otherwise(called: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Our name for it is told."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "slow-rank", "--launcher", called])
    assert ended.value.code == 2
    assert f"or srun:KIND; did you mean {name}?\n" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["run", "slow-rank"], ["watch", "-n", "2", "--", "true"]])
@pytest.mark.parametrize("name", ["hydra", "prrte", "srun", "srun:pmix"])
def test_a_launcher_that_is_not_here(
    words: list[str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """To name it is a mistake in the input: the option is told, and what to do; nothing is launched."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(discovery, "candidates", list)
    reports = ["--reports", str(tmp_path / "runs")]
    assert cli.main([words[0], "--launcher", name, *reports, *words[1:]]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"--launcher {name.partition(':')[0]}: ")
    assert "load your cluster's" in said
    assert said.endswith("or leave --launcher out\n")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["ju"], ["judge-commit"]),
        (["run", "slow-r"], ["slow-rank"]),
        (["run", "--bud"], ["--budget"]),
        (["watch", "--", "--bud"], []),
        (["nosuch", "x"], []),
    ],
)
def test_what_completes(words: list[str], found: list[str]) -> None:
    """Commands, scenarios and options; nothing of the program that is watched."""
    assert completion.candidates(words) == found


def test_bash_completes() -> None:
    """A real bash, with what `lockstep completion bash` prints."""
    script = '''eval "$(lockstep completion bash)"; COMP_WORDS=(lockstep run slow-r); COMP_CWORD=2; _lockstep
        echo "${COMPREPLY[@]}"'''
    environment = {**os.environ, "PATH": f"{LOCKSTEP.parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "slow-rank\n", done.stderr


@pytest.mark.parametrize(
    ("words", "unneeded"),
    [
        (["--version"], {"pydantic", "yaml", "numpy", "rich", "torch", "zmq", "pandas"}),
        (["--help"], {"pydantic", "yaml", "numpy", "rich", "torch", "zmq", "pandas"}),
        (["list"], {"numpy", "torch", "zmq", "pandas", "psutil"}),
    ],
)
def test_a_command_imports_what_it_needs(words: list[str], unneeded: set[str]) -> None:
    """Nothing is imported that the command does not need: this is felt at each completion of a name."""
    code = (
        "import sys, contextlib\n"
        "from lockstep.harness.cli import main\n"
        f"with contextlib.suppress(SystemExit): main({words!r})\n"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not unneeded & set(done.stdout.splitlines()[-1].split())
