"""The input tensors of a forward, from a step's plain numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from lockstep.engines.minimal.base.protocols import Step, StepOutput


def input_tensors(step: Step, per_block: int) -> tuple[Tensor, ...]:
    """On the host: tokens, positions, slots [T]; the slots of each token's context [T, S] and which of them it sees."""
    positions = torch.tensor(step.positions)
    blocks = torch.tensor(step.tables)
    offsets = torch.arange(per_block)
    context = (blocks[:, :, None] * per_block + offsets).flatten(1)
    visible = torch.arange(context.shape[1])[None, :] <= positions[:, None]
    return torch.tensor(step.tokens), positions, torch.tensor(step.slots), context, visible


def step_output(next_tokens: Tensor, drafts: Tensor) -> StepOutput:
    """The plain numbers of a forward's result. On a GPU it waits for them: synchronize first."""
    return StepOutput(tuple(next_tokens.tolist()), tuple(map(tuple, drafts.tolist())))
