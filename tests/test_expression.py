"""`-k` and names: which cases are meant, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.commands.expression import expression
from lockstep.harness.program_name import program_name
from lockstep.harness.scenario.errors import FileErrors, ScenarioError
from lockstep.harness.scenario.load import load

TEXTS = st.sampled_from(["a", "B", "faults=[]", "none"])
TREES = st.recursive(
    TEXTS,
    lambda inner: st.one_of(st.tuples(st.just("not"), inner), st.tuples(st.sampled_from(["and", "or"]), inner, inner)),
    max_leaves=6,
)
Tree = str | tuple[object, ...]


def words(tree: object) -> str:
    """An expression with all its parentheses."""
    match tree:
        case ("not", inner):
            return f"not ({words(inner)})"
        case (str(joint), left, right):
            return f"({words(left)}) {joint.upper()} ({words(right)})"
    return str(tree)


def holds(tree: object, ident: str) -> bool:
    """Whether it fits, by its definition."""
    match tree:
        case ("not", inner):
            return not holds(inner, ident)
        case ("and", left, right):
            return holds(left, ident) and holds(right, ident)
        case ("or", left, right):
            return holds(left, ident) or holds(right, ident)
    return str(tree).lower() in ident.lower()


@given(TREES, st.lists(TEXTS).map("-".join))
def test_any_expression(tree: object, ident: str) -> None:
    """Every expression means what its tree means, whatever the case of its words."""
    assert expression(words(tree))(ident) == holds(tree, ident)


@pytest.mark.parametrize(
    ("text", "found"),
    [("a or b and c", True), ("not a or a", True), ("A", True), ("a and not b", True), ("c or d", False)],
)
def test_precedence(text: str, found: bool) -> None:
    """`not` binds more than `and`, `and` more than `or`."""
    assert expression(text)("xax") is found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "-k '': give a text"),
        ("a b", "-k 'a b': 'b' is not expected there; join texts by and, or, not"),
        ("a and", "-k 'a and': a text is missing at the end"),
        ("or a", "-k 'or a': a text is missing before 'or'"),
        ("(a", "-k '(a': a parenthesis is not closed"),
    ],
)
def test_what_is_no_expression(text: str, said: str) -> None:
    """It is said where, and what to do."""
    with pytest.raises(ScenarioError) as caught:
        expression(text)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["python", "-u", "/home/me/train.py", "--lr", "0.1"], "train.py --lr 0.1"),
        (["/usr/bin/python3.11", "-m", "pkg.train", "short"], "pkg.train short"),
        (["torchrun", "--nproc-per-node", "2", "a.py"], "torchrun --nproc-per-node 2 a.py"),
        (["./a.out"], "a.out"),
        (["python", "-c", "import os\nprint(1)"], "python -c import os print(1)"),
        (["python"], "python"),
        (["serve", "--api-key", "abc", "--hf-token=xyz", "--port", "80"], "serve --api-key *** --hf-token=*** --port 80"),
        (["env", "HF_TOKEN=abc", "serve"], "env HF_TOKEN=*** serve"),
        (["train", "--author", "me", "--auth", "x"], "train --author me --auth ***"),
        (["serve", "--password", "--verbose"], "serve --password --verbose"),
        (["serve", "x" * 80], "serve " + "x" * 51 + "..."),
    ],
)
def test_the_name_of_a_program(argv: list[str], name: str) -> None:
    """Program and arguments, without folders, without what Python is told, and without secrets."""
    assert program_name(argv) == name


NAMED = """\
name: a
source: https://example.org
summary: s
engine: command
matrix:
  config.argv:
    same: [python, -c, pass]
    other: [python, -c, "raise SystemExit(1)"]
config: {argv: [python]}
expect:
  - {when: {config.argv: same}, outcome: success}
  - {when: {config.argv: [python, -c, "raise SystemExit(1)"]}, outcome: crash}
"""


def test_named_values(tmp_path: Path) -> None:
    """A mapping of names to values gives the ids, and `when` takes a name or the value itself."""
    path = tmp_path / "a.yaml"
    path.write_text(NAMED)
    same, other = load(path)
    assert (same.id, same.expect.outcome) == ("a[config.argv=same]", "success")
    assert (other.id, other.expect.outcome) == ("a[config.argv=other]", "crash")
    assert other.point == {"config.argv": ["python", "-c", "raise SystemExit(1)"]}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "other:",
            "o ther:",
            ":8:5: matrix.config.argv.o ther: 'o ther' is no name of a value; use letters",
        ),
        (
            "config.argv: same}",
            "config.argv: sane}",
            ":11:26: expect[0].when.config.argv: 'sane' is not a value of",
        ),
        (
            "same: [python, -c, pass]",
            "same: [7]",
            ":7:12: matrix.config.argv.same[0]: input should be a valid string",
        ),
    ],
)
def test_mistakes_in_named_values(old: str, new: str, said: str, tmp_path: Path) -> None:
    """They are told at the name or value that is wrong."""
    path = tmp_path / "a.yaml"
    path.write_text(NAMED.replace(old, new))
    with pytest.raises(FileErrors) as caught:
        load(path)
    assert any(f"{path}{said}" in str(problem) for problem in caught.value.problems), str(caught.value)
