"""A class of the tree as source: which statements bind a name in it or in its bases, and what its constructor sets."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from lockstep.engines.source.tree.modules import Module, Tree, bound


@dataclass(slots=True)
class ClassSource:
    """One class, with the module that it stands in."""

    tree: Tree
    module: Module
    node: ast.ClassDef
    bodies: dict[str, list[ast.stmt]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for statement in self.node.body:
            for name in bound(statement):
                self.bodies.setdefault(name, []).append(statement)

    @staticmethod
    def find(tree: Tree, module: Module, name: str) -> ClassSource | None:
        """The class that `name` means in a module of the tree; None when it is none of the tree's."""
        for statement in module.definitions.get(name, ()):
            if isinstance(statement, ast.ClassDef):
                return ClassSource(tree, module, statement)
        found = module.imports.get(name)
        source = tree.module(found.module) if found and found.module.partition(".")[0] == tree.package else None
        return ClassSource.find(tree, source, found.symbol) if found and source is not None else None

    def owner(self, name: str) -> ClassSource | None:
        """The class that binds `name`: this one, or the first of its bases that does."""
        return next((source for source in self.line() if name in source.bodies), None)

    def line(self) -> Iterator[ClassSource]:
        """This class and its bases in the tree, in the order in which they are asked."""
        yield self
        for base in self.node.bases:
            source = ClassSource.find(self.tree, self.module, base.id) if isinstance(base, ast.Name) else None
            if source is not None:
                yield from source.line()

    def mentions(self, attribute: str) -> bool:
        """Whether the code of the class or of its bases names an attribute, of whatever object."""
        nodes = (node for source in self.line() for node in ast.walk(source.node))
        return any(isinstance(node, ast.Attribute) and node.attr == attribute for node in nodes)

    def initial(self, name: str) -> ast.Constant | None:
        """The literal that the constructor sets the attribute to, if that is all that it ever sets it to."""
        set_to = [value for source in self.line() for value in source._constructed(name)]
        return set_to[0] if len(set_to) == 1 and isinstance(set_to[0], ast.Constant) else None

    def _constructed(self, name: str) -> Iterator[ast.expr]:
        """Every value that `__init__`, or a method that it calls to set up a part, gives to `self.name`."""
        for method in self._constructors():
            for node in ast.walk(method):
                targets = node.targets if isinstance(node, ast.Assign) else []
                targets = [node.target] if isinstance(node, (ast.AnnAssign, ast.AugAssign)) else targets
                if any(_of_self(target, name) for target in targets):
                    yield getattr(node, "value", None) or ast.Name("?")

    def _constructors(self) -> Iterator[ast.stmt]:
        for statement in self.bodies.get("__init__", ()):
            yield statement
            calls = [node.func for node in ast.walk(statement) if isinstance(node, ast.Call)]
            called = {call.attr for call in calls if isinstance(call, ast.Attribute)}
            yield from (part for name in sorted(called) if name.startswith("_init") for part in self.bodies.get(name, ()))


def _of_self(target: ast.expr, name: str) -> bool:
    if not isinstance(target, ast.Attribute) or target.attr != name:
        return False
    return isinstance(target.value, ast.Name) and target.value.id == "self"
