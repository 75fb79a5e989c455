"""What can be read in one go: files and classes of product and tests, and the reasons of those that are larger."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINES, METHODS = 300, 15  # the most of a file, and of a class
TOPS = ("harness", "engines", "examples", "benchmarks", "tests")
REASON = "Over the size we keep: "
FILES = sorted(path for top in TOPS for path in (ROOT / top).rglob("*.py"))


def has_reason(docstring: str | None) -> bool:
    """Whether a sentence begins as a reason does, and goes on."""
    _, begun, reason = f"{' '.join((docstring or '').split())} ".partition(REASON)
    return bool(begun and reason.strip())


def over(source: str) -> Iterator[str]:
    """What of a file is over the size, and does not say why."""
    tree = ast.parse(source)
    lines = len(source.splitlines())
    if lines > LINES and not has_reason(ast.get_docstring(tree)):
        yield f"{lines} lines"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            methods = sum(isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) for one in node.body)
            if methods > METHODS and not has_reason(ast.get_docstring(node)):
                yield f"{node.name}: {methods} methods"


def class_of(methods: int, docstring: str) -> str:
    """The source of a class."""
    return f'class Long:\n    """{docstring}"""\n' + "".join(f"    def m{n}(self): ...\n" for n in range(methods))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"""A file."""\n' + "a = 1\n" * (LINES - 1), []),
        ('"""A file."""\n' + "a = 1\n" * LINES, ["301 lines"]),
        (f'"""A file. {REASON}it is one table."""\n' + "a = 1\n" * LINES, []),
        (f'"""A file. {REASON}"""\n' + "a = 1\n" * LINES, ["301 lines"]),
        (class_of(METHODS, "A class."), []),
        (class_of(METHODS + 1, "A class."), ["Long: 16 methods"]),
        (class_of(METHODS + 1, f"A class. {REASON}it is one interface."), []),
        (f'"""{REASON}of the file alone."""\n' + class_of(METHODS + 1, "A class."), ["Long: 16 methods"]),
    ],
)
def test_what_is_over(source: str, found: list[str]) -> None:
    """A file or a class is found from one line or method too many on, unless its own docstring says why."""
    assert list(over(source)) == found


def test_every_file_and_class_has_its_size_or_a_reason() -> None:
    """Nothing is too large to be read in one go without saying why."""
    assert FILES
    assert {str(path.relative_to(ROOT)): found for path in FILES if (found := list(over(path.read_text())))} == {}
