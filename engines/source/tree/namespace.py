"""The globals of grafted code. A name is looked for when the code asks for it: a stand-in of ours, the tree, the standard
library; a name that is nowhere ends the run with its name and place."""

from __future__ import annotations

import builtins
import importlib
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from types import FrameType, ModuleType
from typing import Any

from lockstep.engines.minimal.base.unable import Unable
from lockstep.engines.source.tree import code
from lockstep.engines.source.tree.modules import Import, Module, Tree


@dataclass(slots=True)
class World:
    """All that grafted code can name: stand-ins by symbol, stand-ins for whole libraries, and the modules of the tree."""

    tree: Tree
    names: Mapping[str, Any]
    libraries: Mapping[str, Any]
    loaded: dict[str, Namespace] = field(default_factory=dict)

    def namespace(self, module: Module) -> Namespace:
        """The globals of one module of the tree."""
        if module.name not in self.loaded:
            self.loaded[module.name] = Namespace(self, module)
        return self.loaded[module.name]

    def symbol(self, module: str, symbol: str) -> Any:
        """What `from module import symbol` gives."""
        if symbol in self.names:
            return self.names[symbol]
        found = self.tree.module(module)
        if found is not None and (symbol in found.definitions or symbol in found.imports):
            return self.namespace(found)[symbol]
        if self.tree.module(f"{module}.{symbol}") is not None:
            return self.module(f"{module}.{symbol}")
        raise missing(f"{module}.{symbol}")

    def imported(self, found: Import) -> Any:
        """What an import at the top of a module gives."""
        if not found.symbol:
            return self.module(found.module)
        if found.module.partition(".")[0] == self.tree.package:
            return self.symbol(found.module, found.symbol)
        return getattr(self.module(found.module), found.symbol)

    def module(self, name: str) -> Any:
        """What `import name` gives."""
        top = name.partition(".")[0]
        if top in self.libraries:
            return self.libraries[top]
        if top in sys.stdlib_module_names:
            return importlib.import_module(name)
        if top == self.tree.package:
            return View(self, name)
        raise missing(name)


class View(ModuleType):
    """A module of the tree as grafted code sees it: each attribute is looked for when asked."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(name)
        self.__dict__["_world"] = world

    def __getattr__(self, symbol: str) -> Any:
        if symbol.startswith("__"):
            raise AttributeError(symbol)
        return self.__dict__["_world"].symbol(self.__name__, symbol)


class Namespace(dict[str, Any]):
    """The globals of one module of the tree."""

    def __init__(self, world: World, module: Module) -> None:
        name = f"grafted.{module.name}"  # not what an installed package of that name is called
        super().__init__(__name__=name, __file__=str(module.path), __package__=module.package)
        self.world = world
        self.module = module
        sys.modules[name] = View(world, module.name)  # dataclasses look there for the module of their class
        self["__builtins__"] = {**vars(builtins), "__import__": self._import}

    def __missing__(self, name: str) -> Any:
        if not self.load(name):
            if hasattr(builtins, name):
                raise KeyError(name)  # the interpreter goes on to the builtins
            raise missing(name)
        return self[name]

    def load(self, name: str) -> bool:
        """Fill in a name, if it can be found; whether it can."""
        if name in self:
            return True
        if name in self.world.names:
            self[name] = self.world.names[name]
        elif name in self.module.ambiguous:
            raise missing(f"{name}, which {self.world.tree.relative(str(self.module.path))} binds in more than one way,")
        elif name in self.module.definitions:
            code.run(self.module.definitions[name], self.module.path, self, Lookup(self), self.load)
        elif name in self.module.imports:
            self[name] = self.world.imported(self.module.imports[name])
        return name in self

    def _import(self, name: str, names: Any = None, _: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        """The `import` statement inside a function."""
        absolute = self.module.absolute(name, level)
        return self.world.module(absolute if fromlist else absolute.partition(".")[0])


class Lookup(MutableMapping[str, Any]):
    """The local names of a definition at the top of a module: they are its globals."""

    def __init__(self, names: Namespace) -> None:
        self.names = names

    def __getitem__(self, name: str) -> Any:
        return self.names[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.names[name] = value

    def __delitem__(self, name: str) -> None:
        del self.names[name]

    def __iter__(self) -> Any:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def missing(name: str) -> Unable:
    """What is not there, and where grafted code asked for it."""
    return Unable(f"missing name {name} at {place()}")


def place() -> str:
    """The nearest line of grafted code on this thread's stack, as file:line below the tree's root."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if isinstance(frame.f_globals, Namespace):
            return f"{frame.f_globals.world.tree.relative(frame.f_code.co_filename)}:{frame.f_lineno}"
        frame = frame.f_back
    return "no line of the tree"
