"""Subclasses that stand for mpi4py's own classes, which cannot be changed."""

from __future__ import annotations

from typing import Any


def transparent(original: Any, methods: dict[str, Any]) -> Any:
    """A subclass by the same name that also calls instances of the original its own."""
    kind: Any = type(original)

    class Meta(kind):  # type: ignore[misc]
        def __instancecheck__(self, instance: object) -> bool:
            mine = self.__dict__.get("_original") is original  # and no subclass that the program makes
            return isinstance(instance, original) if mine else bool(super().__instancecheck__(instance))

        def __subclasscheck__(self, other: type) -> bool:
            mine = self.__dict__.get("_original") is original
            return issubclass(other, original) if mine else bool(super().__subclasscheck__(other))

    about = {"__module__": original.__module__, "__qualname__": original.__qualname__, "__doc__": original.__doc__}
    return Meta(original.__name__, (original,), {**about, "_original": original, **methods})
