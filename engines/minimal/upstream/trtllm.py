"""TensorRT-LLM's LlmArgs as sections: what its YAML (`trtllm-serve --config`, extra LLM API options) and its options say."""

from __future__ import annotations

from lockstep.engines.minimal.upstream.sizes import Size, Sizes, put_graphs, put_prefill_graphs
from lockstep.engines.minimal.upstream.translation import Translation

GRAPHS, PREFILL, DRAFTS = "cuda_graph_config", "prefill_cuda_graph_backend", "speculative_config"
DEFAULT_GRAPHS = 128  # the largest batch that is captured where nothing is said


def translate(translation: Translation, scale: int | None) -> None:
    """Put all that is modelled into the sections."""
    _parallel(translation)
    batch = Size.of(translation, "max_batch_size", 2048)
    length = Size.of(translation, "max_seq_len", 0)
    pool = Size.of(translation, "kv_cache_config.max_tokens", 0)
    sizes = Sizes(
        batch=batch,
        batch_tokens=Size.of(translation, "max_num_tokens", 8192),
        request_tokens=length if length.given else None,
        block_tokens=Size.of(translation, "kv_cache_config.tokens_per_block", 32),
        pool_tokens=pool if pool.given else None,
    )
    divisor = sizes.put(translation, scale)
    _cache(translation)
    _graphs(translation, batch.value, divisor)
    _drafts(translation)
    _plain(translation, divisor)


def _parallel(translation: Translation) -> None:
    stages = translation.count("pipeline_parallel_size")
    ranks, experts = translation.count("tensor_parallel_size"), translation.count("moe_expert_parallel_size")
    replicas = translation.flag("enable_attention_dp") or False
    if ranks is None and not translation.has("tensor_parallel_size"):
        what = "is missing: the config does not say tensor_parallel_size, which trtllm-serve has as --tp_size"
        translation.ask(("parallel", "tp"), what, 4)
    if ranks is not None:
        translation.put(("parallel", "tp"), ranks, "tensor_parallel_size")
    if stages is not None and stages > 1:
        translation.put(("parallel", "pp"), stages, "pipeline_parallel_size")
        translation.put(("device",), "cpu")
        translation.told("pipeline_parallel_size", "stages are linked on the CPU only: device: cpu")
    if replicas:
        translation.put(("parallel", "attention_dp"), True, "enable_attention_dp")
    if replicas and experts in (None, 1):
        translation.told(
            "moe_expert_parallel_size", "under attention DP a layer of experts is entered by all ranks: ep is tp here"
        )
    elif experts is not None:
        translation.put(("parallel", "ep"), experts, "moe_expert_parallel_size")
    elif not replicas:
        translation.put(("parallel", "ep"), 1)
        translation.told("moe_expert_parallel_size", "not in the config: 1, as TensorRT-LLM has it by default")


def _cache(translation: Translation) -> None:
    share = translation.share("kv_cache_config.free_gpu_memory_fraction")
    if share is not None and 0 < share < 1:
        path = ("config", "kv_cache_config", "free_gpu_memory_fraction")
        translation.put(path, share, "kv_cache_config.free_gpu_memory_fraction")
    elif share is not None:
        translation.leave("kv_cache_config.free_gpu_memory_fraction", "only shares between 0 and 1 are modelled")
    reuse = translation.flag("kv_cache_config.enable_block_reuse")
    key = ("config", "kv_cache_config", "enable_block_reuse")
    translation.put(key, True if reuse is None else reuse, "kv_cache_config.enable_block_reuse")


def _graphs(translation: Translation, batch: int, divisor: int) -> None:
    off = translation.entries.found.get(GRAPHS)
    if off is not None and off.said == "use_cuda_graph" and off.value is True:
        off = None
    if off is not None and not isinstance(off.value, dict):
        translation.told(GRAPHS, "no graphs of decoding are captured")
    else:
        sizes = translation.counts(f"{GRAPHS}.batch_sizes")
        largest = translation.count(f"{GRAPHS}.max_batch_size", 0)
        padding = translation.flag(f"{GRAPHS}.enable_padding")
        if sizes is None and not largest:
            translation.told(GRAPHS, f"graphs up to a batch of {DEFAULT_GRAPHS}, as TensorRT-LLM has it by default")
            largest = DEFAULT_GRAPHS
        put_graphs(translation, sizes, largest, batch, padding, (f"{GRAPHS}.batch_sizes", f"{GRAPHS}.max_batch_size"))
    if _prefill_graphs(translation):
        put_prefill_graphs(
            translation, translation.counts("prefill_capture_num_tokens"), divisor, "prefill_capture_num_tokens"
        )


def _prefill_graphs(translation: Translation) -> bool:
    """Whether prompts have graphs: the old key says it by yes or no, the present one by the name of a backend."""
    found = translation.entry(PREFILL)
    if found is not None and found.said != PREFILL:
        return translation.flag(PREFILL) or False
    backend = translation.word(PREFILL)
    if backend not in (None, "disabled", "piecewise", "breakable"):
        translation.wrong(PREFILL, f"there is no backend {backend!r}", "use disabled, piecewise or breakable")
    if backend == "breakable":
        translation.told(PREFILL, "breakable graphs are taken for piecewise ones, which are captured and replayed alike")
    return backend in ("piecewise", "breakable")


def _drafts(translation: Translation) -> None:
    kind = translation.word(f"{DRAFTS}.decoding_type")
    length = translation.count(f"{DRAFTS}.max_draft_len")
    limit = translation.count(f"{DRAFTS}.max_concurrency")
    if kind is None:
        if length is not None or limit is not None:
            translation.leave(DRAFTS, "without a decoding_type nothing is drafted")
        return
    if kind.upper() != "MTP":
        translation.leave(f"{DRAFTS}.decoding_type", f"{kind} is not modelled, MTP alone is: nothing is drafted here")
        return
    section = ("config", DRAFTS)
    translation.put((*section, "decoding_type"), "MTP", f"{DRAFTS}.decoding_type")
    translation.put((*section, "num_nextn_predict_layers"), length or 1, f"{DRAFTS}.max_draft_len")
    if limit is not None:
        translation.put((*section, "max_concurrency"), limit, f"{DRAFTS}.max_concurrency")


def _plain(translation: Translation, divisor: int) -> None:
    for key in ("enable_chunked_prefill", "enable_autotuner"):
        if (wanted := translation.flag(key)) is not None:
            translation.put(("config", key), wanted, key)
    beams = translation.count("max_beam_width")
    if beams not in (None, 1):
        translation.wrong("max_beam_width", f"beam search is not modelled, got {beams}", "set it to 1")
    decoder = translation.word("guided_decoding_backend")
    if decoder in ("xgrammar", "llguidance"):
        translation.put(("config", "guided_decoding_backend"), decoder, "guided_decoding_backend")
    elif decoder is not None:
        text = f"there is no backend {decoder!r}"
        translation.wrong("guided_decoding_backend", text, "use xgrammar or llguidance")
    if (tokens := translation.count("moe_config.max_num_tokens")) is not None:
        value = max(1, tokens // divisor)
        translation.put(("config", "moe_config", "max_num_tokens"), value, "moe_config.max_num_tokens")
    for name, least in (("first_k_dense_replace", 0), ("moe_layer_freq", 1)):
        if (number := translation.count(f"model_kwargs.{name}", least)) is not None:
            translation.put(("config", "model_kwargs", name), number, f"model_kwargs.{name}")
