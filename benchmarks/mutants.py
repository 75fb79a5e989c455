"""Mutants of a file: one comparison, operator, constant or condition is changed at a time, and tests must notice.

`python -m benchmarks.mutants FILE MOST SEED TEST...`: so many mutants, drawn by the seed, each in a copy of this checkout as
it is committed, under the tests that are named. Who survives is printed with its line: a test is missing there, or the code
says more than it must.
"""

from __future__ import annotations

import ast
import copy
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

ROOT = Path(__file__).parents[1]
TIMEOUT_S = 300
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.Mult: ast.Add,
}  # fmt: skip


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """The line, what was changed, and the whole text, of every mutant."""
    tree = ast.parse(source)
    types = {id(part) for node in ast.walk(tree) for one in _types(node) for part in ast.walk(one)}
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in types:
            continue
        for change in _changes(node):
            other = copy.deepcopy(tree)
            twin = list(ast.walk(other))[number]
            before, line = ast.unparse(twin), getattr(node, "lineno", 0)
            _apply(twin, change)
            yield line, _told(before, ast.unparse(twin)), ast.unparse(other)


def _told(before: str, after: str) -> str:
    """What was changed into what, without what long ones have in common before it."""
    same = next(at for at in range(len(before) + 1) if before[at : at + 1] != after[at : at + 1])
    start = max(0, same - 60) if len(before) > 80 else 0
    return f"{before[start : same + 60]}  ->  {after[start : same + 60]}".replace("\n", " ")


def _types(node: ast.AST) -> list[ast.expr]:
    """What is said of types there, which nothing evaluates, and of classes (`frozen`, `slots`), which mypy holds."""
    match node:
        case ast.ClassDef():
            return node.decorator_list
        case ast.AnnAssign(annotation=ast.Name(id="TypeAlias"), value=ast.expr() as value):
            return [node.annotation, value]
        case ast.AnnAssign():
            return [node.annotation]
        case ast.arg(annotation=ast.expr() as annotation):
            return [annotation]
        case ast.FunctionDef(returns=ast.expr() as returns):
            return [returns]
        case _:
            return []


def _changes(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        return ["ops"]
    if isinstance(node, (ast.BoolOp, ast.BinOp)) and type(node.op) in SWAPS:
        return ["op"]
    if isinstance(node, ast.Constant) and type(node.value) in (int, bool):
        return ["value"]
    return ["test"] if isinstance(node, (ast.If, ast.IfExp)) else []


def _apply(node: ast.AST, change: str) -> None:
    match node:
        case ast.Compare():
            node.ops[:1] = [cast(ast.cmpop, SWAPS[type(node.ops[0])]())]
        case ast.BoolOp() | ast.BinOp():
            node.op = SWAPS[type(node.op)]()  # type: ignore[assignment]
        case ast.Constant(value=bool()):
            node.value = not node.value
        case ast.Constant():
            node.value = int(node.value) + 1  # type: ignore[arg-type]
        case ast.If() | ast.IfExp():
            node.test = ast.UnaryOp(ast.Not(), node.test)


def survives(copied: Path, file: str, text: str, tests: list[str]) -> bool:
    """Whether the tests pass over a mutant; one that does not end is noticed."""
    path = copied / file
    good = path.read_text()
    path.write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not slow", *tests]
    try:
        done = subprocess.run(command, cwd=copied, capture_output=True, timeout=TIMEOUT_S, check=False, env=_env(copied))
        return done.returncode == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        path.write_text(good)


def _env(copied: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(copied), "PYTHONDONTWRITEBYTECODE": "1"}


def main(words: list[str]) -> int:
    """Print who survives."""
    file, most, seed, *tests = words
    every = list(mutants((ROOT / file).read_text()))
    drawn = random.Random(seed).sample(every, min(int(most), len(every)))
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copied = Path(folder) / "checkout"
        subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(copied)], check=True)
        if not survives(copied, file, (ROOT / file).read_text(), tests):
            sys.exit(f"the tests fail without a mutant: {' '.join(tests)}")
        alive = [(line, what) for line, what, text in drawn if survives(copied, file, text, tests)]
    for line, what in sorted(alive):
        print(f"{file}:{line}: {what.splitlines()[0][:160]}")
    print(f"{file}: {len(drawn)} of {len(every)} mutants, {len(alive)} survive")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
