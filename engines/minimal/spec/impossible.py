"""What cannot be, of sections that are right each by itself. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from lockstep.engines.minimal.spec.capacity import capacity, wrong_amount
from lockstep.engines.minimal.spec.model import EXPERTS, HEADS, HIDDEN, LAYERS
from lockstep.engines.minimal.spec.sections import ServingSections
from lockstep.harness.engine_api import Path

Spec = Mapping[str, Any]
Wrong = tuple[Path, str]
Rule = Callable[[Spec], Iterable[Wrong]]

NEEDS_GPU = ("ballast", "device-error", "skip-launch")


def wrong_sections(sections: ServingSections, ranks: int) -> Iterator[tuple[Path, str]]:
    """Numbers that do not fit each other, as their path and a sentence with advice."""
    parallel = sections.parallel
    if parallel.ep not in (None, 1, parallel.tp):
        yield ("parallel", "ep"), f"{parallel.ep} is neither 1 nor tp ({parallel.tp}); use one of them"
    group = parallel.attention_tp
    if parallel.tp % group or (group > 1 and not parallel.attention_dp):
        text = f"{group} ranks to a group need attention_dp and a tp ({parallel.tp}) that is a multiple of it"
        yield ("parallel", "attention_tp"), f"{text}; use 1"
    unit, amount = capacity(sections.kv_capacity)
    yield from wrong_amount(("kv_capacity", unit), amount, ranks)
    yield from wrong_amount(("gpu", "memory_bytes"), sections.gpu.memory_bytes, ranks)
    yield from wrong_amount(("cpu", "memory_bytes"), sections.cpu.memory_bytes, ranks)


def wrong_settings(spec: Spec) -> list[Wrong]:
    """Settings of a complete spec that cannot be."""
    return [wrong for rule in RULES for wrong in rule(spec)]


def _never(path: Path, wrong: Callable[[Spec], object], text: str) -> Rule:
    """The setting at `path` where `wrong` is true of the spec. `text` may name keys: `{parallel[tp]}`."""
    return lambda spec: [(path, text.format_map(spec))] if wrong(spec) else []


def _cpu_only(path: tuple[str, ...], used: Callable[[Spec], object]) -> Rule:
    """A setting that the device cuda does not have, where it is used."""
    text = f"{'.'.join(path)} works on the CPU only; set device: cpu in this scenario"
    return _never(path, lambda spec: spec["device"] != "cpu" and used(spec), text)


def _graph_sizes(spec: Spec) -> Iterator[Wrong]:
    largest = spec["config"]["max_batch_size"]
    for number, size in enumerate((spec["config"]["cuda_graph_config"] or {}).get("batch_sizes") or ()):
        if size > largest:
            path = ("config", "cuda_graph_config", "batch_sizes", number)
            yield path, f"{size} is above max_batch_size {largest}; lower it or raise that"


def _host_blocks(spec: Spec) -> Iterator[Wrong]:
    host, ranks = spec["config"]["kv_cache_config"]["host_blocks"], _ranks(spec)
    if isinstance(host, list) and len(host) != ranks:
        path = ("config", "kv_cache_config", "host_blocks")
        yield path, f"has {len(host)} values for {ranks} ranks; give one for each"


def _faults(spec: Spec) -> Iterator[Wrong]:
    for number, fault in enumerate(spec["faults"]):
        if fault["kind"] in NEEDS_GPU and spec["device"] != "cuda":
            text = f"{fault['kind']} can happen to a GPU only; set device: cuda in this scenario"
            yield ("faults", number, "kind"), text


def _partitions(spec: Spec) -> bool:
    """Whether the model's parameters can be dealt to the ranks as ZeRO-3 does."""
    parallel = spec["parallel"]
    alone = parallel["ep"] == 1 == parallel["pp"] and spec["config"]["data_parallel_backend"] is None
    return parallel["attention_dp"] and alone and parallel["tp"] > 1 and HIDDEN % parallel["tp"] == 0


def _replicas(spec: Spec) -> bool:
    """Whether each rank is a replica of the whole model, but for its experts."""
    parallel = spec["parallel"]
    return bool(parallel["attention_dp"] and parallel["attention_tp"] == 1 == parallel["pp"])


def _lengths(spec: Spec) -> Iterator[Wrong]:
    requests, lengths = spec["workload"]["requests"], spec["workload"]["new_tokens"]
    if isinstance(lengths, list) and len(lengths) != requests:
        yield ("workload", "new_tokens"), f"has {len(lengths)} values for {requests} requests; give one for each"


def _messages(spec: Spec) -> Iterator[Wrong]:
    """To requests and ranks that there are not."""
    requests, ranks = spec["workload"]["requests"], _ranks(spec)
    for number, message in enumerate(spec["workload"]["messages"]):
        path: Path = ("workload", "messages", number)
        if message["request"] is not None and message["request"] >= requests:
            yield (*path, "request"), f"there is no request {message['request']}; requests are 0 to {requests - 1}"
        for rank in message["ranks"] or ():
            if rank >= ranks:
                yield (*path, "ranks"), f"there is no rank {rank}; ranks are 0 to {ranks - 1}"


def _longest_request(spec: Spec) -> Iterator[Wrong]:
    prompt, lengths, most = spec["workload"]["prompt_tokens"], spec["workload"]["new_tokens"], spec["config"]["max_seq_len"]
    new = lengths if isinstance(lengths, int) else max(lengths, default=0)
    if prompt + new > most:
        yield ("workload",), f"{prompt} prompt and {new} new tokens exceed max_seq_len {most}"


def _ranks(spec: Spec) -> int:
    return int(spec["parallel"]["tp"] * spec["parallel"]["pp"])


NO_STAGES = "is not modelled over pipeline stages; use pp: 1"
RULES: tuple[Rule, ...] = (
    _graph_sizes,
    _host_blocks,
    _never(
        ("parallel", "ep"),
        lambda spec: EXPERTS % spec["parallel"]["ep"],
        f"the model's {EXPERTS} experts cannot be dealt to {{parallel[ep]}} ranks; use ep: 1",
    ),
    _never(
        ("parallel", "tp"),
        lambda spec: not spec["parallel"]["attention_dp"] and HEADS % spec["parallel"]["tp"],
        f"the model's {HEADS} attention heads cannot be dealt to {{parallel[tp]}} ranks; use attention_dp",
    ),
    _never(
        ("config", "data_parallel_backend"),
        lambda spec: (
            spec["config"]["data_parallel_backend"] is not None
            and (not spec["parallel"]["attention_dp"] or spec["parallel"]["pp"] > 1)
        ),
        "{config[data_parallel_backend]} needs data-parallel ranks; set parallel.attention_dp: true and pp: 1",
    ),
    _never(
        ("config", "zero_optimization", "stage"),
        lambda spec: spec["config"]["zero_optimization"]["stage"] == 3 and not _partitions(spec),
        "needs 2, 4 or 8 ranks, attention_dp: true, ep: 1, pp: 1, and no data_parallel_backend",
    ),
    _never(
        ("parallel", "pp"),
        lambda spec: LAYERS % spec["parallel"]["pp"],
        f"the model's {LAYERS} layers cannot be dealt to {{parallel[pp]}} stages; set parallel.pp to a divisor of {LAYERS}",
    ),
    _never(
        ("parallel", "pp"),
        lambda spec: not LAYERS % spec["parallel"]["pp"] and spec["parallel"]["pp"] > 1 and spec["device"] != "cpu",
        "pipeline stages are linked on the CPU only; set device: cpu",
    ),
    _faults,
    _never(("workload", "received"), lambda spec: spec["parallel"]["pp"] > 1 and spec["workload"]["received"], NO_STAGES),
    _never(
        ("workload", "context_only"), lambda spec: spec["parallel"]["pp"] > 1 and spec["workload"]["context_only"], NO_STAGES
    ),
    _never(
        ("workload", "pulled"),
        lambda spec: spec["workload"]["pulled"] and not _replicas(spec),
        "is of replicas of one rank; use attention_dp: true, attention_tp: 1 and pp: 1",
    ),
    _never(
        ("workload", "received"),
        lambda spec: spec["workload"]["received"] and spec["parallel"]["attention_dp"],
        "is of ranks that share requests; use attention_dp: false",
    ),
    _never(
        ("config", "enable_chunked_prefill"),
        lambda spec: spec["config"]["enable_chunked_prefill"] and spec["parallel"]["pp"] > 1,
        NO_STAGES,
    ),
    _never(
        ("guards", "startup_barrier"),
        lambda spec: spec["habits"]["startup_barrier"] != "none" and spec["device"] != "cpu",
        "is of gloo groups; set device: cpu in this scenario",
    ),
    _never(
        ("parallel", "attention_tp"),
        lambda spec: spec["parallel"]["attention_tp"] > 1 and (spec["device"] != "cpu" or spec["parallel"]["pp"] > 1),
        "is modelled on the device cpu and one pipeline stage; set device: cpu and pp: 1",
    ),
    _cpu_only(("config", "moe_workspace_bytes"), lambda spec: spec["config"]["moe_workspace_bytes"]),
    _cpu_only(("config", "data_plane_timeout_s"), lambda spec: any(spec["config"]["data_plane_timeout_s"].values())),
    _cpu_only(
        ("config", "moe_config", "comm_method"),
        lambda spec: (spec["config"]["moe_config"] or {}).get("comm_method") == "by-mode",
    ),
    _cpu_only(("config", "zero_optimization", "stage"), lambda spec: spec["config"]["zero_optimization"]["stage"] == 3),
    _cpu_only(("cpu", "memory_bytes"), lambda spec: spec["cpu"]["memory_bytes"] is not None),
    _never(
        ("guards", "step_broadcast"),
        lambda spec: spec["habits"]["step_broadcast"] != "none" and spec["parallel"]["attention_dp"],
        "a step has nothing to broadcast where each rank has its own requests; use attention_dp: false",
    ),
    _lengths,
    _never(
        ("workload", "messages"),
        lambda spec: spec["workload"]["messages"] and spec["config"]["data_parallel_backend"] is None,
        "only an engine core takes messages; set config.data_parallel_backend",
    ),
    _messages,
    _longest_request,
)
