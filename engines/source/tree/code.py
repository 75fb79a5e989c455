"""From statements of the tree to objects, compiled with their own file name and line numbers.

Annotations are not evaluated: they name everything under the sun, and change nothing.
"""

from __future__ import annotations
import __future__

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lockstep.engines.source.tree.modules import PARSING

_FLAGS = __future__.annotations.compiler_flag


def run(
    statements: Sequence[ast.stmt], path: Path, names: dict[str, Any], into: Mapping[str, Any], load: Callable[[str], object]
) -> None:
    """Run definitions. `names` are the globals of what they define; what they bind and look up goes through `into`.

    A class body looks names up in the globals' own storage, past whatever fills it when asked: `load` fills it before.
    """
    for statement in statements:
        for name in sorted(_looked_up(statement)):
            load(name)
        with PARSING:
            code = compile(ast.Module([statement], []), str(path), "exec", _FLAGS, dont_inherit=True)
        exec(code, names, into)


def without_super(statement: ast.stmt) -> bool:
    """Whether a method can stand alone, outside of its class."""
    names = (node.id for node in ast.walk(statement) if isinstance(node, ast.Name))
    return not {"super", "__class__"} & set(names)


def _looked_up(statement: ast.stmt) -> set[str]:
    """The names that a class looks up while it is made; those in its methods' bodies come when the methods run."""
    if not isinstance(statement, ast.ClassDef):
        return set()
    return {node.id for node in _outside_bodies(statement) if isinstance(node, ast.Name)}


def _outside_bodies(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            parts: list[ast.AST] = [*child.decorator_list, *child.args.defaults, *filter(None, child.args.kw_defaults)]
        else:
            parts = [] if isinstance(child, ast.Lambda) else [child]
        for part in parts:
            yield part
            yield from _outside_bodies(part)
