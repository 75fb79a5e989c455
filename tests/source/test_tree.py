"""Reading a tree: what a module binds, where imports lead, what a class has and what its constructor sets."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.engines.minimal.base.unable import Unable
from lockstep.engines.source.tree.class_source import ClassSource
from lockstep.engines.source.tree.modules import Import, Module, Tree
from lockstep.engines.source.tree.namespace import World
from tests.source.trees import write

NAMES = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=5).map(".".join)


@given(NAMES, NAMES | st.just(""), st.data())
def test_relative_imports_lead_where_pythons_do(package: str, name: str, data: st.DataObject) -> None:
    """Against the standard library's own resolution."""
    level = data.draw(st.integers(1, package.count(".") + 1))
    found = Module("m", Path("m.py"), package).absolute(name, level)
    assert found == importlib.util.resolve_name("." * level + name, package).rstrip(".")


def test_what_a_module_binds() -> None:
    """Definitions, also more than one of a name and those under `if` and `try`; imports by the name that they bind."""
    text = """
import os.path, json as j
from .near import one as two
x = y = 1
z: int = 2
w: int
if x:
    from far import three
    def f(): pass
try:
    class C: pass
except ImportError:
    C = None
"""
    module = Module("p.m", Path("m.py"), "p")
    module.read(ast.parse(text).body)
    assert sorted(module.definitions) == ["C", "f", "x", "y", "z"]
    assert len(module.definitions["C"]) == 2
    assert module.ambiguous == {"C"}
    assert module.imports == {
        "os": Import("os", ""), "j": Import("json", ""), "two": Import("p.near", "one"), "three": Import("far", "three"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("self.x = 3", 3),
        ("self.x: bool = False", False),
        ("self._init_parts()", "set there"),
        ("self.x = 3\n        self.x = 4", None),
        ("if self.y:\n            self.x = 3\n        else:\n            self.x = make()", None),
        ("self.x = make()", None),
        ("self.x = 1\n        self.x += 1", None),
        ("other.x = 3", None),
        ("pass", None),
    ],
)
def test_an_attribute_starts_as_a_literal_only_if_nothing_else_is_set(body: str, value: object, tmp_path: Path) -> None:
    """In the constructor and in the methods by which it sets up its parts."""
    text = f"class C:\n    def __init__(self):\n        {body}\n    def _init_parts(self):\n        self.x = 'set there'\n"
    write(tmp_path, "p/m.py", text)
    tree = Tree(tmp_path, "p")
    module = tree.at("p/m.py")
    assert module is not None
    source = ClassSource.find(tree, module, "C")
    assert source is not None
    found = source.initial("x")
    assert (found.value if found else None) == value


def test_bases_are_followed_through_the_tree(tmp_path: Path) -> None:
    """Over files and packages that only hand names on; the nearest class counts; a base of another library is nobody's."""
    write(tmp_path, "p/base.py", "class Base:\n    a = b = 1\n")
    write(tmp_path, "p/__init__.py", "from .base import Base\n")
    write(tmp_path, "p/m.py", "from p import Base\nfrom abc import ABC\nclass C(ABC, Base):\n    b = 2\n")
    tree = Tree(tmp_path, "p")
    module = tree.at("p/m.py")
    assert module is not None
    source = ClassSource.find(tree, module, "C")
    assert source is not None
    assert [owner.node.name if (owner := source.owner(name)) else None for name in "abc"] == ["Base", "C", None]


def test_names_are_looked_for_in_order(tmp_path: Path) -> None:
    """Stand-ins before the tree, the tree before anything else; definitions run once, and only what is asked for."""
    write(tmp_path, "p/helpers.py", "made = []\nmade.append(broken)\ndef double(n):\n    return factor * n\nfactor = 2\n")
    write(tmp_path, "p/m.py", "from .helpers import double, factor\nimport math\nfrom collections import deque as d\n")
    tree = Tree(tmp_path, "p")
    module = tree.at("p/m.py")
    assert module is not None
    names = World(tree, {"factor": 5}, {}).namespace(module)
    assert names["double"](4) == 20
    assert names["math"].floor(1.5) == 1
    assert list(names["d"]([1])) == [1]
    names = World(tree, {}, {}).namespace(module)
    assert names["double"](4) == 8
    with pytest.raises(KeyError):  # the interpreter goes on to the builtins
        names["len"]
    with pytest.raises(Unable, match="missing name nothing"):
        names["nothing"]


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    from fast import f\nexcept ImportError:\n    f = None\n",
        "if x:\n    f = 1\nelse:\n    f = 2\n",
        "f = 1\nif x:\n    f = 2\n",
        "if x:\n    f = 2\nf = 1\n",
    ],
)
def test_a_name_with_several_meanings_has_none(text: str, tmp_path: Path) -> None:
    """What decides between them does not run here."""
    write(tmp_path, "p/m.py", text)
    tree = Tree(tmp_path, "p")
    module = tree.at("p/m.py")
    assert module is not None
    with pytest.raises(Unable, match=r"missing name f, which p/m\.py binds in more than one way,"):
        World(tree, {}, {}).namespace(module)["f"]
    assert World(tree, {"f": 5}, {}).namespace(module)["f"] == 5


def test_a_class_of_the_tree_with_names_of_the_tree(tmp_path: Path) -> None:
    """A dataclass whose base, default and decorator stand in other places, and whose annotations stand nowhere."""
    write(tmp_path, "p/base.py", "class Base:\n    def twice(self):\n        return 2 * self.size\n")
    text = "from dataclasses import dataclass\nfrom .base import Base\nSIZE = 3\n\n\n@dataclass(frozen=True)\n"
    write(tmp_path, "p/m.py", text + "class Shape(Base):\n    size: Compiled = SIZE\n")
    tree = Tree(tmp_path, "p")
    module = tree.at("p/m.py")
    assert module is not None
    assert World(tree, {}, {}).namespace(module)["Shape"]().twice() == 6
