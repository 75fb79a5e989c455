"""What a stranger needs: pages that name real targets, templates and workflows that parse, a changelog that builds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lockstep.harness import __version__

ROOT = Path(__file__).parents[1]
HOOKS = ROOT / ".pre-commit-config.yaml"
PAGES = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "README.md", "ARCHITECTURE.md")


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_of_a_page_exist(page: str) -> None:
    """Every `make TARGET` that a page names is a target."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / page).read_text()))
    assert named <= targets


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_somewhere(page: str) -> None:
    """Every link of a page to a file of the project has its file."""
    links = re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_templates_and_workflows_parse() -> None:
    """Forms, workflows and hooks are YAML; every form, and that of pull requests, asks for verdict.json and run.json."""
    files = [*(ROOT / ".github").rglob("*.yml"), HOOKS]
    assert len(files) >= 5
    for path in files:
        assert yaml.safe_load(path.read_text()), path
    asked = [*(ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"), ROOT / ".github" / "pull_request_template.md"]
    assert len(asked) >= 4
    for path in asked:
        text = path.read_text()
        assert "verdict.json" in text and "run.json" in text, path


@pytest.mark.parametrize(
    ("message", "passes"),
    [
        ("Keep a ring\n\nA ring that goes takes its events along.\n", True),
        (f"{'a' * 71}\n\nWhy.\n", True),
        (f"{'a' * 72}\n\nWhy.\n", False),
        ("Keep a ring\n", False),
        ("Keep a ring\n\n# Please enter the commit message for your changes.\n", False),
        ("Keep a ring\nand two\n\nWhy.\n", False),
        ("fixup! Keep a ring\n", True),
    ],
)
def test_commit_messages_are_checked(message: str, passes: bool) -> None:
    """The hook that `pre-commit install` sets up takes a short subject with a body, and nothing less."""
    (hook,) = (one for one in yaml.safe_load(HOOKS.read_text())["repos"][0]["hooks"] if one["id"] == "message")
    assert (hook["language"], hook["args"], hook["stages"]) == ("pygrep", ["--multiline", "--negate"], ["commit-msg"])
    assert bool(re.search(hook["entry"], message, re.MULTILINE | re.DOTALL)) == passes  # as pygrep does


def test_own_workflow_is_the_ci_script() -> None:
    """The project's own workflow runs what .ci/run runs, and nothing else."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text())
    assert [step["run"] for step in workflow["jobs"]["tests"]["steps"] if "run" in step] == ["bash .ci/run"]


def test_fragments_are_of_a_known_kind() -> None:
    """Each fragment of the changelog is named after an issue and a kind, and is one paragraph."""
    for path in (ROOT / "newsfragments").glob("*.md"):
        assert re.fullmatch(r"\d+(\.\d+)?\.(feature|bugfix|doc|removal|misc)(\.\d+)?\.md", path.name), path.name
        assert len(path.read_text().strip().split("\n\n")) == 1


def test_changelog_builds() -> None:
    """The next entry of the changelog can be made from the fragments."""
    words = [str(Path(sys.executable).parent / "towncrier"), "build", "--draft", "--version", "next"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "## next" in done.stdout


def test_one_version() -> None:
    """The version of the code is that of the distribution."""
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()
