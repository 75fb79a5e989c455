"""What a program sees of its tensors' methods once their reads are recorded; fails if anything differs."""

from __future__ import annotations

from typing import Any

import torch

from lockstep.harness.attach import tensor_reads

HANDLED = {torch.Tensor.item: lambda tensor: -1.0}  # a table made before anything is wrapped
before = {name: getattr(torch.Tensor, name) for name in tensor_reads.READS}


class Own(torch.Tensor):
    """A kind of the program's own, which answers for some functions."""

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in HANDLED:
            return HANDLED[function](*args)
        return super().__torch_function__(function, types, args, kwargs or {})  # type: ignore[no-untyped-call]


def reads(tensor: torch.Tensor) -> list[object]:
    """All reads of it."""
    one = tensor.sum()
    return [
        one.item(),
        tensor.tolist(),
        tensor.cpu() is tensor,
        bool(one),
        int(one),
        float(one),
        [*range(9)][one.to(torch.int)],
    ]


def compiled(tensor: torch.Tensor) -> torch.Tensor:
    """Reads inside of what is compiled."""
    if tensor.sum() > 2:
        tensor = tensor * tensor.max().item()
    return tensor.cpu() + float(tensor[0])


value = torch.tensor([1.0, 2.0])
own = value.as_subclass(Own)
plain = [reads(value), own.item() if own.dim() == 0 else own[0].item(), reads(torch.nn.Parameter(value))[0]]
once = torch.compile(compiled, backend="eager")(value)
torch._dynamo.reset()
tensor_reads.install()
assert [reads(value), own[0].item(), reads(torch.nn.Parameter(value))[0]] == plain
assert all(
    getattr(torch.Tensor, name) == method and before[name] == getattr(torch.Tensor, name) for name, method in before.items()
)
assert all(hash(getattr(torch.Tensor, name)) == hash(method) for name, method in before.items())
assert torch.Tensor.item.__name__ == "item"
assert torch.equal(torch.compile(compiled, backend="eager")(value), once)
assert torch.Tensor.item(value.sum()) == 3.0
assert torch.jit.trace(lambda tensor: tensor.cpu() + 1, value)(value).tolist() == [2.0, 3.0]  # type: ignore[no-untyped-call]
assert torch.overrides.resolve_name(torch.Tensor.item) == "torch.Tensor.item"
assert torch.vmap(lambda tensor: tensor.cpu() * 2)(value).tolist() == [2.0, 4.0]
print("the same")
