"""A tiny Llama of random weights, split over the ranks by transformers' own plan of tensor parallelism: five forward passes.

It knows nothing of Lockstep. `torchrun ... program.py [leave|raise|kill]`: what the last rank does in its third pass.
"""

import os
import signal
import sys
import tempfile

import torch
import torch.distributed as dist
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM  # type: ignore[import-not-found]

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 64}


def befall(what: str) -> None:
    """Something happens to this rank."""
    if what == "raise":
        raise MemoryError("no room for the largest batch")
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Load the model in parts, and run it."""
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    dist.init_process_group("gloo")
    last = dist.get_rank() == dist.get_world_size() - 1
    with tempfile.TemporaryDirectory() as folder:
        if dist.get_rank() == 0:
            LlamaForCausalLM(LlamaConfig(**SIZES, num_key_value_heads=4)).save_pretrained(folder)
        names = [folder]
        dist.broadcast_object_list(names, src=0)
        model = AutoModelForCausalLM.from_pretrained(names[0], tp_plan="auto")
        dist.barrier()  # before the first rank's folder goes
    for step in range(5):
        if last and step == 2:
            befall(what)
            if what == "leave":
                continue
        with torch.no_grad():
            found = model(torch.tensor([[5, 6, 7]])).logits
        print("step", step, tuple(found.shape), flush=True)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
