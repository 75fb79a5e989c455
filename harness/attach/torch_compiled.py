"""Collectives of compiled graphs: these call torch's operators by themselves, below the functions that are wrapped.

Only what an operator calls is replaced. The operator stays the same object, of the same class and with the same hash:
compilers know it by these.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from lockstep.harness.attach import torch_works
from lockstep.harness.attach.recorded import Call, recorded

# Operators, and which argument names the group. One that writes into its argument is the same operation.
OPERATORS = {
    "all_reduce": 2, "all_reduce_": 2, "all_reduce_coalesced": 2, "all_reduce_coalesced_": 2, "broadcast": 2,
    "broadcast_": 2, "all_gather_into_tensor": 2, "all_gather_into_tensor_out": 2, "all_gather_into_tensor_coalesced": 2,
    "reduce_scatter_tensor": 3, "reduce_scatter_tensor_out": 3, "reduce_scatter_tensor_coalesced": 3, "all_to_all_single": 3,
}  # fmt: skip
Prepare = Callable[[str, Any, tuple[Any, ...]], Call | None]  # operation, what names its group, all arguments


class Operator:
    """What an operator calls instead of its own implementation."""

    __slots__ = ("_call", "_original")

    def __init__(self, original: Callable[..., Any], wrapped: Callable[..., Any]) -> None:
        def call(*arguments: Any, **named: Any) -> Any:
            return (wrapped if _is_run(arguments) else original)(*arguments, **named)

        self._call = call
        self._original = original

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """As the original."""
        return self._call(*arguments, **named)

    def __hash__(self) -> int:
        """As the original, in whose place it is."""
        return hash(self._original)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """As the original, which cannot be pickled."""
        return self._original.__reduce_ex__(protocol)


def wrap(prepare: Prepare) -> None:
    """Wrap the operators of functional collectives."""
    known = getattr(sys.modules["torch"].ops, "_c10d_functional", None)
    for name, place in OPERATORS.items():
        _replace(known, name, functools.partial(recorded, prepare=_prepared(prepare, name, place)))
    _replace(known, "wait_tensor", torch_works.waiting)


def _replace(known: Any, name: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    operator = getattr(getattr(known, name, None), "default", None)
    original = getattr(operator, "_op", None)
    if operator is not None and original is not None:
        operator._op = Operator(original, wrapper(original))


def _prepared(prepare: Prepare, name: str, place: int) -> Callable[[tuple[Any, ...], dict[str, Any]], Call | None]:
    operation = name.removesuffix("_out").removesuffix("_")

    def prepared(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        group = named.get("group_name", arguments[place] if len(arguments) > place else None)
        return prepare(operation, group, arguments)

    return prepared


def _is_run(arguments: tuple[Any, ...]) -> bool:
    """Whether it computes, on tensors that there are, and is not only looked at, to be compiled."""
    torch = sys.modules["torch"]
    first = arguments[0] if arguments else None
    tensors = first if isinstance(first, (list, tuple)) else (first,)
    real = all(type(tensor) in (torch.Tensor, torch.nn.Parameter) and not tensor.is_meta for tensor in tensors)
    return real and not torch._C._len_torch_dispatch_stack() and not torch.compiler.is_compiling()
