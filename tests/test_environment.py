"""One file owns the names of all variables of the environment that are ours."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from lockstep.harness import environment

ROOT = Path(__file__).parents[1]
OWNER = ROOT / "harness" / "environment.py"
CANNOT_IMPORT = ROOT / "harness" / "attach" / "site" / "sitecustomize.py"  # nothing of Lockstep is on its path yet
NAME = re.compile(r"LOCKSTEP_[A-Z_]+")
NATIVE = ROOT / "harness" / "native"  # C, which cannot import it either
TOY = ROOT / "examples"  # written as by somebody else
OWNED = {name: value for name, value in vars(environment).items() if name.isupper()}


def literals(path: Path) -> Iterator[str]:
    """The names of variables in the strings of a file that are no docstrings."""
    tree = ast.parse(path.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {id(node.body[0].value) for node in ast.walk(tree)
                  if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)}  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield from NAME.findall(node.value)


def sources() -> list[Path]:
    """All files of the product, and its benchmarks."""
    return [path for room in ("harness", "engines", "benchmarks") for path in sorted((ROOT / room).rglob("*.py"))]


def test_no_other_file_names_a_variable() -> None:
    """A name that is written twice can be changed once."""
    found = {str(path.relative_to(ROOT)): names for path in sources() if (names := set(literals(path)))}
    here, there = (str(path.relative_to(ROOT)) for path in (OWNER, CANNOT_IMPORT))
    assert found == {here: set(OWNED.values()), there: {environment.ATTACH}}


def test_who_cannot_import_it_names_what_is_there() -> None:
    """C and an engine from outside read variables by name: each is one of these."""
    texts = {path: path.read_text() for path in sorted(NATIVE.iterdir()) if path.suffix in (".c", ".h", ".inc")}
    in_c = {name for text in texts.values() for name in re.findall(r'"(LOCKSTEP_[A-Z_]+)"', text)}
    assert {environment.ATTACH, environment.WORLD_ID} <= in_c <= set(OWNED.values())
    toy = {name for path in sorted(TOY.rglob("*.py")) for name in literals(path)}
    assert {environment.RANK, environment.SPEC} <= toy <= set(OWNED.values())


def test_names_tell_themselves() -> None:
    """Each has the name of its variable, and a comment that says of what type it is."""
    assert all(value == f"LOCKSTEP_{name}" for name, value in OWNED.items())
    lines = OWNER.read_text().splitlines()
    for name, value in OWNED.items():
        (line,) = (line for line in lines if line.startswith(f'{name}: Final = "{value}"  # '))
        assert re.search(r"# (JSON|any text|path|(one |two )?whole numbers?|hexadecimal|IP address|debug)", line), line


def test_every_variable_is_used() -> None:
    """What nobody reads or sets is not listed."""
    text = "".join(path.read_text() for path in sources() if path != OWNER)
    assert [name for name in OWNED if not re.search(rf"\b{name}\b", text)] == []
