"""vLLM's engine arguments as sections: those of `vllm serve`, as options or as its YAML."""

from __future__ import annotations

from lockstep.engines.minimal.upstream.sizes import Size, Sizes, put_graphs
from lockstep.engines.minimal.upstream.translation import Translation

DRAFTS, COMPILE = "speculative_config", "compilation_config"
DEFAULT_GRAPHS = 512  # the largest batch that is captured where nothing is said
FORMER_SIZES = "cuda_graph_sizes"  # the former name of the sizes, where one alone was the largest
NO_GRAPHS = ("NONE", "PIECEWISE")  # modes without a graph of a whole decoding step


def translate(translation: Translation, scale: int | None) -> None:
    """Put all that is modelled into the sections."""
    _parallel(translation)
    batch = Size.of(translation, "max_num_seqs", 256)
    blocks = Size.of(translation, "num_gpu_blocks_override", 0)
    sizes = Sizes(
        batch=batch,
        batch_tokens=Size.of(translation, "max_num_batched_tokens", 8192),
        request_tokens=_length(translation),
        block_tokens=Size.of(translation, "block_size", 16),
        blocks=blocks if blocks.given else None,
    )
    sizes.put(translation, scale)
    reuse = translation.flag("enable_prefix_caching")
    path = ("config", "kv_cache_config", "enable_block_reuse")
    translation.put(path, True if reuse is None else reuse, "enable_prefix_caching")
    chunked = translation.flag("enable_chunked_prefill")
    stages = (translation.count("pipeline_parallel_size") or 1) > 1
    if stages and chunked is not False:
        translation.leave("enable_chunked_prefill", "is not modelled over pipeline stages")
    else:
        translation.put(("config", "enable_chunked_prefill"), chunked is not False, "enable_chunked_prefill")
    _graphs(translation, batch.value)
    _drafts(translation)
    if (tuned := translation.flag("enable_flashinfer_autotune")) is not None:
        translation.put(("config", "enable_autotuner"), tuned, "enable_flashinfer_autotune")


def _length(translation: Translation) -> Size | None:
    """`-1` and `auto` mean what fits."""
    found = translation.entry("max_model_len")
    if found is not None and found.value in (-1, "auto"):
        return None
    length = Size.of(translation, "max_model_len", 0)
    return length if length.given else None


def _parallel(translation: Translation) -> None:
    tensor = translation.count("tensor_parallel_size")
    replicas = translation.count("data_parallel_size")
    stages = translation.count("pipeline_parallel_size")
    experts = translation.flag("enable_expert_parallel") or False
    if tensor is None and replicas is None and stages is None:
        what = "is missing: the config says neither tensor_parallel_size nor data_parallel_size"
        translation.ask(("parallel", "tp"), what, 4)
    tensor, replicas, stages = tensor or 1, replicas or 1, stages or 1
    key = "data_parallel_size" if replicas > 1 else "tensor_parallel_size"
    translation.put(("parallel", "tp"), tensor * replicas, key)
    translation.put(("parallel", "ep"), tensor * replicas if experts else 1, "enable_expert_parallel")
    if stages > 1:
        translation.put(("parallel", "pp"), stages, "pipeline_parallel_size")
        translation.put(("device",), "cpu")
        translation.told("pipeline_parallel_size", "stages are linked on the CPU only: device: cpu")
    if replicas > 1:
        _replicas(translation, tensor, replicas, stages, experts)
    else:
        for name in ("async_scheduling", "dp_sync_interval", "data_parallel_backend"):
            if translation.has(name):
                translation.leave(name, "is modelled of data-parallel engine cores only, and here is one")


def _replicas(translation: Translation, tensor: int, replicas: int, stages: int, experts: bool) -> None:
    translation.put(("parallel", "attention_dp"), True, "data_parallel_size")
    if not experts:
        translation.told(
            "enable_expert_parallel",
            f"without it replicas of a dense model share no layer; of one with experts: parallel.ep: {tensor * replicas}",
        )
    if tensor > 1:
        translation.put(("parallel", "attention_tp"), tensor, "tensor_parallel_size")
        translation.put(("device",), "cpu")
        translation.told("tensor_parallel_size", "groups of ranks that share attention are on the CPU only: device: cpu")
    if stages > 1:
        translation.wrong(
            "pipeline_parallel_size", "stages of data-parallel engine cores are not modelled", "leave one of them out"
        )
    backend = translation.word("data_parallel_backend") or "mp"
    if translation.word("distributed_executor_backend") == "external_launcher":
        backend = "external_launcher"
    if backend not in ("mp", "ray", "external_launcher"):
        text = f"there is no backend {backend!r}"
        translation.wrong("data_parallel_backend", text, "use mp or ray")
        return
    translation.put(("config", "data_parallel_backend"), backend, "data_parallel_backend")
    early = translation.flag("async_scheduling")
    translation.put(("config", "async_scheduling"), early is not False, "async_scheduling")
    if (interval := translation.count("dp_sync_interval")) is not None:
        translation.put(("config", "dp_sync_interval"), interval, "dp_sync_interval")


def _graphs(translation: Translation, batch: int) -> None:
    if translation.flag("enforce_eager"):
        translation.told("enforce_eager", "no graphs are captured")
        return
    mode = translation.word(f"{COMPILE}.cudagraph_mode")
    if mode is not None and mode.upper() in NO_GRAPHS:
        translation.told(f"{COMPILE}.cudagraph_mode", f"{mode}: no graph of a decoding step is captured")
        return
    keys = [(f"{above}cudagraph_capture_sizes", f"{above}max_cudagraph_capture_size") for above in ("", f"{COMPILE}.")]
    if translation.entry(keys[0][0]) and translation.entry(keys[1][0]):
        advice = "leave one of them out, as vLLM itself asks"
        translation.wrong(keys[0][0], f"{keys[1][0]} says the sizes of graphs too", advice)
    for names in keys:
        sizes, largest = translation.counts(names[0]), translation.count(names[1], 0)
        found = translation.entry(names[0])
        if sizes is not None and len(sizes) == 1 and found is not None and found.said == FORMER_SIZES:
            translation.told(names[0], f"one size alone is the largest: graphs up to a batch of {sizes[0]}")
            largest, sizes = sizes[0], None
        if sizes is not None or largest:
            put_graphs(translation, sizes, largest, batch, True, names)
            return
    translation.told("cudagraph_capture_sizes", "graphs up to the whole batch, 512 at most, as vLLM has it by default")
    put_graphs(translation, None, DEFAULT_GRAPHS, batch, True, keys[0])


def _drafts(translation: Translation) -> None:
    method = translation.word(f"{DRAFTS}.method") or translation.word("spec_method")
    length = translation.count(f"{DRAFTS}.num_speculative_tokens") or translation.count("spec_tokens")
    key = f"{DRAFTS}.method" if translation.entry(f"{DRAFTS}.method") else "spec_method"
    if method is None:
        if length is not None:
            translation.leave(DRAFTS, "its method is not said, so that nothing is drafted here")
        return
    if not method.lower().endswith("mtp"):
        translation.leave(key, f"{method} is not modelled, MTP alone is: nothing is drafted here")
        return
    translation.put(("config", DRAFTS, "decoding_type"), "MTP", key)
    translation.put(("config", DRAFTS, "num_nextn_predict_layers"), length or 1, f"{DRAFTS}.num_speculative_tokens")
