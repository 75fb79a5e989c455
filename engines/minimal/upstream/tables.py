"""The keys of upstream engines by name: data in `keys/`, with the release and the source that they are from."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "keys"
PRODUCTS = ("trtllm", "vllm", "sglang")


@dataclass(frozen=True, slots=True)
class Table:
    """One product. A key with dots stands in the sections that its first parts name."""

    name: str  # of the file, and for the command line
    product: str
    version: str
    source: str  # files of that release
    programs: tuple[str, ...]
    modelled: frozenset[str]
    left_out: dict[str, str]  # key -> why
    moved: dict[str, str]  # old home -> present one
    removed: dict[str, str]  # key -> what there is instead
    aliases: dict[str, str]
    switches: frozenset[str]
    lists: frozenset[str]
    assignments: frozenset[str]  # options whose value is PATH=VALUE
    precedence: str  # who wins where an option and the file of another one disagree
    free: frozenset[str]

    @property
    def keys(self) -> set[str]:
        """All that have a home today."""
        return {*self.modelled, *self.left_out}

    @property
    def names(self) -> set[str]:
        """Every name that is known, whatever became of it."""
        return {*self.keys, *self.moved, *self.removed, *self.aliases, *self.free}

    def is_section(self, key: str) -> bool:
        """Whether other keys stand below it."""
        return any(name.startswith(f"{key}.") for name in (*self.keys, *self.moved))

    def takes_several(self, key: str) -> bool:
        """Whether an option of the command line takes several words; one with a former name is as the present one."""
        return self.moved.get(key, key) in self.lists

    def spelt(self, key: object) -> str:
        """A key as the table has it, whatever its dashes; an alias is its key."""
        plain = str(key).lstrip("-").replace("-", "_")
        return self.aliases.get(plain, plain)

    def meant(self, key: str, names: Collection[str] | None = None) -> str:
        """The known name that is nearest to a key within the same section; empty: none is near."""
        section, _, last = key.rpartition(".")
        there = self.names if names is None else names
        beside = [name.rpartition(".")[2] for name in there if name.rpartition(".")[0] == section]
        close = difflib.get_close_matches(last, beside, n=1)
        return (f"{section}." if section else "") + close[0] if close else ""


@functools.cache
def table(name: str) -> Table:
    """The keys of one product."""
    raw: dict[str, Any] = yaml.load((FOLDER / f"{name}.yaml").read_text("utf-8"), Loader=_loader())
    return Table(
        name=name,
        product=raw["product"],
        version=raw["version"],
        source=raw["source"],
        programs=tuple(raw["programs"]),
        modelled=frozenset(raw["modelled"]),
        left_out={key: group["why"] for group in raw["left_out"] for key in group["keys"]},
        moved=raw["moved"],
        removed=raw["removed"],
        aliases=raw["aliases"],
        switches=frozenset(raw["switches"]),
        lists=frozenset(raw["lists"]),
        assignments=frozenset(raw["assignments"]),
        precedence=raw["precedence"],
        free=frozenset(raw["free"]),
    )


def tables() -> list[Table]:
    """Of all products."""
    return [table(name) for name in PRODUCTS]


def _loader() -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
