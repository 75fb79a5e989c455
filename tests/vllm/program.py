"""vLLM with a tiny mixture-of-experts model of random weights and two tensor-parallel workers: start, and a few tokens.

It knows nothing of Lockstep. `python program.py [raise|kill|stop]`: what happens to the second worker in its warm-up.
"""

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

MODEL = {
    "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "hidden_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 64, "intermediate_size": 128,
    "moe_intermediate_size": 64, "num_experts": 4, "num_experts_per_tok": 2, "vocab_size": 512,
    "max_position_embeddings": 256, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "hidden_act": "silu",
    "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": [], "tie_word_embeddings": False,
    "torch_dtype": "bfloat16", "bos_token_id": 1, "eos_token_id": 2, "attention_bias": False, "use_sliding_window": False,
}  # fmt: skip


class Extension:
    """Methods that vLLM adds to each worker."""

    def befall(self, what: str) -> None:
        """Something happens to the second worker; the first goes on to a collective."""
        import torch
        import torch.distributed as dist

        if dist.get_rank() == 1:
            if what == "raise":
                raise MemoryError("no room for the largest batch")
            if what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "stop":
                while True:
                    time.sleep(1)
        dist.all_reduce(torch.ones(1))


def main() -> None:
    """Start the engine and decode."""
    from vllm import LLM, SamplingParams  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(MODEL))
        engine = LLM(
            model=folder, load_format="dummy", skip_tokenizer_init=True, tensor_parallel_size=2, enforce_eager=True,
            max_model_len=128, max_num_seqs=4, distributed_executor_backend="mp", disable_log_stats=True,
            worker_extension_cls="program.Extension",
        )  # fmt: skip
        if len(sys.argv) > 1:
            engine.collective_rpc("befall", args=(sys.argv[1],))
        parameters = SamplingParams(max_tokens=4, detokenize=False, ignore_eos=True)
        found = engine.generate([{"prompt_token_ids": [5, 6, 7]}], parameters)
        print("tokens", len(found[0].outputs[0].token_ids), flush=True)


if __name__ == "__main__":
    main()
