"""Upstream's keys in a scenario's own `config`, where only what is modelled may stand: what is said of each."""

from __future__ import annotations

from lockstep.engines.minimal.upstream.tables import table

PLACES = {  # of vLLM's and SGLang's keys, for those who know these
    "max_num_seqs": "max_batch_size", "max_running_requests": "max_batch_size", "max_model_len": "max_seq_len",
    "context_length": "max_seq_len", "max_num_batched_tokens": "max_num_tokens", "chunked_prefill_size": "max_num_tokens",
    "block_size": "kv_cache_config.tokens_per_block", "page_size": "kv_cache_config.tokens_per_block",
    "enable_prefix_caching": "kv_cache_config.enable_block_reuse", "enable_flashinfer_autotune": "enable_autotuner",
    "cudagraph_capture_sizes": "cuda_graph_config.batch_sizes",
}  # fmt: skip
AS_IT_IS = "`config_file` and `lockstep import` take such a config as it is"


def refusal(key: str, section: str) -> str:
    """Why a key cannot stand there; empty where nobody knows it. `section`: of TensorRT-LLM's; empty: the top."""
    name = f"{section}.{key}" if section else key
    known = table("trtllm")
    if name in known.moved:
        return f"an old TensorRT-LLM key, whose home is {known.moved[name]} now; {AS_IT_IS}"
    if name in known.names or known.is_section(name):
        return "a TensorRT-LLM key that the minimal engine does not model; remove it"
    if section:
        return ""
    for other in (table("vllm"), table("sglang")):
        spelt = other.spelt(key)
        if spelt in other.keys or other.is_section(spelt):
            place = f", {PLACES[spelt]} here" if spelt in PLACES else ""
            return f"a key of {other.product}{place}; {AS_IT_IS}"
    return ""
