"""SGLang's server arguments as sections: those of `sglang.launch_server`, as options or as its YAML."""

from __future__ import annotations

from lockstep.engines.minimal.upstream.sizes import Size, Sizes, put_graphs, put_prefill_graphs
from lockstep.engines.minimal.upstream.translation import Translation

DECODE, PREFILL = "cuda_graph_config.decode", "cuda_graph_config.prefill"
BACKENDS = ("full", "breakable", "disabled")


def translate(translation: Translation, scale: int | None) -> None:
    """Put all that is modelled into the sections."""
    replicas = _parallel(translation)
    running = Size.of(translation, "max_running_requests", 256 * replicas)
    batch = Size(running.key, max(1, running.value // replicas), running.given)
    if running.given and replicas > 1:
        translation.told(running.key, f"is of all {replicas} attention-DP ranks: {batch.value} on each")
    length = Size.of(translation, "context_length", 0)
    pool = Size.of(translation, "max_total_tokens", 0)
    sizes = Sizes(
        batch=batch,
        batch_tokens=_chunk(translation),
        request_tokens=length if length.given else None,
        block_tokens=Size.of(translation, "page_size", 1),
        pool_tokens=pool if pool.given else None,
    )
    divisor = sizes.put(translation, scale)
    reuse = not translation.flag("disable_radix_cache")
    translation.put(("config", "kv_cache_config", "enable_block_reuse"), reuse, "disable_radix_cache")
    _graphs(translation, batch.value, divisor)
    _drafts(translation)
    if translation.flag("disable_flashinfer_autotune"):
        translation.put(("config", "enable_autotuner"), False, "disable_flashinfer_autotune")


def _parallel(translation: Translation) -> int:
    """Say how ranks are dealt; how many of them have requests of their own."""
    ranks, stages = translation.count("tp_size"), translation.count("pp_size")
    copies, groups = translation.count("dp_size"), translation.count("attn_dp_size")
    if translation.flag("enable_dp_attention") and groups in (None, 1):
        translation.told("enable_dp_attention", "its home is attn_dp_size now, which dp_size says here")
        groups, copies = copies, None
    if ranks is None and not translation.has("tp_size"):
        translation.ask(("parallel", "tp"), "is missing: the config does not say tp_size", 4)
    if copies is not None and copies > 1:
        translation.leave("dp_size", "replicas share no collective: one of them is modelled")
    ranks, groups = ranks or 1, groups or 1
    translation.put(("parallel", "tp"), ranks, "tp_size")
    experts = translation.count("ep_size")
    if stages is not None and stages > 1:
        translation.put(("parallel", "pp"), stages, "pp_size")
        translation.put(("device",), "cpu")
        translation.told("pp_size", "stages are linked on the CPU only: device: cpu")
    if groups > 1:
        key = "attn_dp_size" if translation.has("attn_dp_size") else "dp_size"
        if ranks % groups:
            translation.wrong(key, f"{ranks} ranks cannot be dealt to {groups} groups", "make tp_size a multiple of it")
            return 1
        translation.put(("parallel", "attention_dp"), True, key)
        if ranks > groups:
            translation.put(("parallel", "attention_tp"), ranks // groups, key)
            translation.put(("device",), "cpu")
            translation.told(key, "groups of ranks that share attention are on the CPU only: device: cpu")
        if experts in (None, 1):
            translation.told("ep_size", "under attention DP a layer of experts is entered by all ranks: ep is tp here")
            return groups
    translation.put(("parallel", "ep"), experts or 1, "ep_size")
    return groups


def _chunk(translation: Translation) -> Size:
    """Tokens of a batch: a chunk of prompts, or all of them where prompts are not cut."""
    found = translation.entry("chunked_prefill_size")
    stages = (translation.count("pp_size") or 1) > 1
    if (found is not None and found.value == -1) or stages:
        if found is not None and stages:
            translation.leave("chunked_prefill_size", "is not modelled over pipeline stages")
        return Size.of(translation, "max_prefill_tokens", 16384)
    translation.put(("config", "enable_chunked_prefill"), True, "chunked_prefill_size")
    if translation.has("max_prefill_tokens"):
        translation.leave("max_prefill_tokens", "the size of a chunk limits a batch before it")
    return Size.of(translation, "chunked_prefill_size", 8192)


def _graphs(translation: Translation, batch: int, divisor: int) -> None:
    off = translation.flag("disable_cuda_graph")
    if off or translation.flag("disable_decode_cuda_graph") or _backend(translation, "decode") == "disabled":
        translation.told("cuda_graph_backend_decode", "no graphs of decoding are captured")
    else:
        sizes = translation.counts("cuda_graph_bs_decode") or translation.counts(f"{DECODE}.bs")
        largest = translation.count("cuda_graph_max_bs_decode") or translation.count(f"{DECODE}.max_bs")
        key = "cuda_graph_bs_decode" if translation.has("cuda_graph_bs_decode") else f"{DECODE}.bs"
        top = "cuda_graph_max_bs_decode" if translation.has("cuda_graph_max_bs_decode") else f"{DECODE}.max_bs"
        padding = not translation.flag("disable_cuda_graph_padding")
        put_graphs(translation, sizes, largest or batch, batch, padding, (key, top))
    prefill = _backend(translation, "prefill")
    if prefill in ("full", "breakable") and not off and not translation.flag("disable_prefill_cuda_graph"):
        key = "cuda_graph_bs_prefill" if translation.has("cuda_graph_bs_prefill") else f"{PREFILL}.bs"
        put_prefill_graphs(translation, translation.counts(key), divisor, key)


def _backend(translation: Translation, phase: str) -> str | None:
    """By either of its two keys."""
    for key in (f"cuda_graph_backend_{phase}", f"cuda_graph_config.{phase}.backend"):
        found = translation.word(key)
        if found is not None and found not in BACKENDS:
            translation.wrong(key, f"there is no backend {found!r}", f"use {', '.join(BACKENDS)}")
        if found is not None:
            return found
    return None


def _drafts(translation: Translation) -> None:
    kind = translation.word("speculative_algorithm")
    steps = translation.count("speculative_num_steps")
    if kind is None:
        return
    if kind.upper() not in ("NEXTN", "EAGLE", "MTP"):
        translation.leave("speculative_algorithm", f"{kind} is not modelled, multi-token prediction alone is")
        return
    if kind.upper() == "EAGLE":
        translation.told("speculative_algorithm", "EAGLE is taken for multi-token prediction, a chain of drafts")
    translation.put(("config", "speculative_config", "decoding_type"), "MTP", "speculative_algorithm")
    translation.put(("config", "speculative_config", "num_nextn_predict_layers"), steps or 3, "speculative_num_steps")
