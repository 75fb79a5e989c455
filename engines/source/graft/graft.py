"""The graft: an object of ours that has the methods of a class of the tree. Each is taken when it is asked for."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from lockstep.engines.minimal.base.unable import Unable
from lockstep.engines.source.tree import code
from lockstep.engines.source.tree.class_source import ClassSource
from lockstep.engines.source.tree.namespace import World, missing

Wrap = Callable[[str, Any], Any]  # a method's name and what the tree makes it; what is put in its place


def graft(source: ClassSource, world: World, provided: Mapping[str, Any], wrap: Wrap) -> Any:
    """An object with the attributes `provided`, and whatever else the class in the tree defines.

    Its constructor does not run. An attribute that the constructor sets to a literal, and to nothing else, starts as that.
    """
    taken = _Taken(source, world, provided, wrap)

    def find(self: Any, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if taken.load(name):
            return getattr(self, name)
        first = source.initial(name)
        if first is None:
            raise missing(f"{source.node.name}.{name}")
        vars(self)[name] = first.value
        return first.value

    def change(self: Any, name: str, value: Any) -> None:
        taken.load(name)  # a property of the class has its own way to be set
        object.__setattr__(self, name, value)

    taken.type = type(source.node.name, (), {"__getattr__": find, "__setattr__": change})
    made = taken.type()
    vars(made).update(provided)
    return made


class _Taken(MutableMapping[str, Any]):
    """What was taken of the class so far. It is the scope in which the class's statements run."""

    type: type

    def __init__(self, source: ClassSource, world: World, provided: Mapping[str, Any], wrap: Wrap) -> None:
        self.source, self.world, self.provided, self.wrap = source, world, provided, wrap
        self.made: dict[str, Any] = {}
        self.loading: list[tuple[str, ClassSource]] = []

    def load(self, name: str) -> bool:
        """Take a name over from the class, unless it is ours; whether the class has it now."""
        if name in self.provided or any(name == other for other, _ in self.loading):
            return False
        if name in self.made:
            return True
        owner = self.source.owner(name)
        if owner is None:
            return False
        if not all(map(code.without_super, owner.bodies[name])):
            raise Unable(f"{owner.node.name}.{name} uses super(), which a grafted method has not, at {_at(owner, name)}")
        names = self.world.namespace(owner.module)
        self.loading.append((name, owner))
        try:
            code.run(owner.bodies[name], owner.module.path, names, self, names.load)
        finally:
            self.loading.pop()
        setattr(self.type, name, self.wrap(name, self.made[name]))
        return True

    def __getitem__(self, name: str) -> Any:
        if name in self.made or self.load(name):
            return self.made[name]
        return self.world.namespace(self.loading[-1][1].module)[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.made[name] = value

    def __delitem__(self, name: str) -> None:
        del self.made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.made)

    def __len__(self) -> int:
        return len(self.made)


def _at(owner: ClassSource, name: str) -> str:
    statement: ast.stmt = owner.bodies[name][0]
    return f"{owner.tree.relative(str(owner.module.path))}:{statement.lineno}"
