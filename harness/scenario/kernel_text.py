"""Texts of a scenario that are handed to the kernel when a process is started: what it would refuse is said before."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

LONGEST = (1 << 17) - 1  # bytes of an argument, or of a variable with its name, as Linux takes them (MAX_ARG_STRLEN)


def _word(text: str) -> str:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > LONGEST:
        raise ValueError(f"has {size:,} bytes, and the kernel takes {LONGEST:,}; write it to a file, and name that")
    if "\0" in text:
        raise ValueError("holds a null byte, with which a text ends for the kernel; take it out")
    return text


def _variable(name: str) -> str:
    if not name or "=" in name or "\0" in name:
        raise ValueError("is no name of a variable; give one without = and null bytes")
    return name


def short_enough(found: dict[str, str]) -> dict[str, str]:
    """Variables that the kernel takes each with its value. Raises ValueError, which names the one that it does not."""
    for name, value in found.items():
        try:
            _word(f"{name}={value}")
        except ValueError as error:  # noqa: PERF203  (a name a turn)
            raise ValueError(f"{name}: {error}") from error
    return found


Word = Annotated[str, AfterValidator(_word)]
Variable = Annotated[str, AfterValidator(_variable)]
Variables = Annotated[dict[Variable, str], AfterValidator(short_enough)]
