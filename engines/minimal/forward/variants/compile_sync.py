"""Whether ranks settle together what they compile (pytorch/pytorch#155558, pytorch/pytorch#193043)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.spec.points import Point


class Compiling(Protocol):
    """One rank's compiler, for one number of tokens."""

    def has(self, num_tokens: int) -> bool:
        """Whether there is code for it; says so."""

    def all_have(self, have: bool) -> bool:
        """The answers of all ranks, by a collective."""

    def compile(self, num_tokens: int) -> None:
        """Make code, by a collective of the ranks that must."""


class CompileSync(Protocol):
    """Asked in each forward."""

    def prepare(self, compiler: Compiling, num_tokens: int) -> None:
        """Have code for a forward of so many tokens."""


class Alone:
    """Sound: each rank compiles by itself, and nobody hears of it."""

    def prepare(self, compiler: Compiling, num_tokens: int) -> None:
        """There is code for any number."""


class OnMiss:
    """By a collective that only ranks come to which must compile: one whose guards hold, or that has the code from an
    earlier launch, does not (pytorch/pytorch#155558, pytorch/pytorch#193043)."""

    def prepare(self, compiler: Compiling, num_tokens: int) -> None:
        """Compile unless this rank has it."""
        if not compiler.has(num_tokens):
            compiler.compile(num_tokens)


class Agree:
    """All compile if any must: guard collectives, the mend of pytorch/pytorch#155558."""

    def prepare(self, compiler: Compiling, num_tokens: int) -> None:
        """Compile unless all ranks have it."""
        if not compiler.all_have(compiler.has(num_tokens)):
            compiler.compile(num_tokens)


COMPILE_SYNC = Point[CompileSync](
    "compile_sync",
    "compiling for a new number of tokens: alone, `on-miss`: by a collective of the ranks that must, `agree`: all "
    "compile if any must (pytorch#155558)",
    {"none": Alone(), "on-miss": OnMiss(), "agree": Agree()},
)
