"""What cannot be, of sections that are right each by itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lockstep.engines.minimal.spec.capacity import capacity, wrong_amount
from lockstep.engines.minimal.spec.model import EXPERTS, HEADS, HIDDEN, LAYERS
from lockstep.engines.minimal.spec.sections import ServingSections
from lockstep.harness.engine_api import Path

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


def wrong_settings(spec: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """Settings of a complete spec that cannot be."""
    config, parallel = spec["config"], spec["parallel"]
    found: list[tuple[Path, str]] = []
    graphs = config["cuda_graph_config"] or {}
    for number, size in enumerate(graphs.get("batch_sizes") or ()):
        if size > config["max_batch_size"]:
            path: Path = ("config", "cuda_graph_config", "batch_sizes", number)
            found.append((path, f"{size} is above max_batch_size {config['max_batch_size']}; lower it or raise that"))
    host = config["kv_cache_config"]["host_blocks"]
    if isinstance(host, list) and len(host) != parallel["tp"] * parallel["pp"]:
        text = f"has {len(host)} values for {parallel['tp'] * parallel['pp']} ranks; give one for each"
        found.append((("config", "kv_cache_config", "host_blocks"), text))
    if EXPERTS % parallel["ep"]:
        found.append((("parallel", "ep"), f"the model's {EXPERTS} experts cannot be dealt to {parallel['ep']} ranks"))
    if not parallel["attention_dp"] and HEADS % parallel["tp"]:
        text = f"the model's {HEADS} attention heads cannot be dealt to {parallel['tp']} ranks; use attention_dp"
        found.append((("parallel", "tp"), text))
    if config["data_parallel_backend"] is not None and (not parallel["attention_dp"] or parallel["pp"] > 1):
        text = f"{config['data_parallel_backend']} needs data-parallel ranks; set parallel.attention_dp: true and pp: 1"
        found.append((("config", "data_parallel_backend"), text))
    if config["zero_optimization"]["stage"] == 3:
        dense = parallel["attention_dp"] and parallel["ep"] == 1 and parallel["pp"] == 1 and HIDDEN % parallel["tp"] == 0
        if not dense or parallel["tp"] == 1 or config["data_parallel_backend"] is not None:
            text = "needs 2, 4 or 8 ranks, attention_dp: true, ep: 1, pp: 1, and no data_parallel_backend"
            found.append((("config", "zero_optimization", "stage"), text))
    if LAYERS % parallel["pp"]:
        found.append((("parallel", "pp"), f"the model's {LAYERS} layers cannot be dealt to {parallel['pp']} stages"))
    elif parallel["pp"] > 1 and spec["device"] != "cpu":
        found.append((("parallel", "pp"), "pipeline stages are linked on the CPU only; set device: cpu"))
    for number, fault in enumerate(spec["faults"]):
        if fault["kind"] in NEEDS_GPU and spec["device"] != "cuda":
            text = f"{fault['kind']} can happen to a GPU only; set device: cuda in this scenario"
            found.append((("faults", number, "kind"), text))
    if parallel["pp"] > 1:
        text = "is not modelled over pipeline stages; use pp: 1"
        found += [(("workload", key), text) for key in ("received", "context_only") if spec["workload"][key]]
    if spec["workload"]["pulled"] and not (parallel["attention_dp"] and parallel["attention_tp"] == 1 == parallel["pp"]):
        text = "is of replicas of one rank; use attention_dp: true, attention_tp: 1 and pp: 1"
        found.append((("workload", "pulled"), text))
    if spec["workload"]["received"] and parallel["attention_dp"]:
        text = "is of ranks that share requests; use attention_dp: false"
        found.append((("workload", "received"), text))
    if config["enable_chunked_prefill"] and parallel["pp"] > 1:
        text = "is not modelled over pipeline stages; use pp: 1"
        found.append((("config", "enable_chunked_prefill"), text))
    if spec["habits"]["startup_barrier"] != "none" and spec["device"] != "cpu":
        found.append((("guards", "startup_barrier"), "is of gloo groups; set device: cpu in this scenario"))
    if parallel["attention_tp"] > 1 and (spec["device"] != "cpu" or parallel["pp"] > 1):
        text = "is modelled on the device cpu and one pipeline stage; set device: cpu and pp: 1"
        found.append((("parallel", "attention_tp"), text))
    if spec["device"] != "cpu":
        found += [
            (path, f"{'.'.join(path)} works on the CPU only; set device: cpu in this scenario") for path in _host_only(spec)
        ]
    if spec["habits"]["step_broadcast"] != "none" and parallel["attention_dp"]:
        text = "a step has nothing to broadcast where each rank has its own requests; use attention_dp: false"
        found.append((("guards", "step_broadcast"), text))
    found += _workload(spec)
    prompt, new = spec["workload"]["prompt_tokens"], _longest(spec["workload"]["new_tokens"])
    if prompt + new > config["max_seq_len"]:
        found.append((("workload",), f"{prompt} prompt and {new} new tokens exceed max_seq_len {config['max_seq_len']}"))
    return found


def _longest(new_tokens: int | list[int]) -> int:
    return new_tokens if isinstance(new_tokens, int) else max(new_tokens, default=0)


def _workload(spec: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """Requests and messages that do not fit each other."""
    workload, found = spec["workload"], list[tuple[Path, str]]()
    requests, lengths, ranks = workload["requests"], workload["new_tokens"], spec["parallel"]["tp"] * spec["parallel"]["pp"]
    if isinstance(lengths, list) and len(lengths) != requests:
        found.append((("workload", "new_tokens"), f"has {len(lengths)} values for {requests} requests; give one for each"))
    if workload["messages"] and spec["config"]["data_parallel_backend"] is None:
        text = "only an engine core takes messages; set config.data_parallel_backend"
        found.append((("workload", "messages"), text))
    for number, message in enumerate(workload["messages"]):
        path: Path = ("workload", "messages", number)
        if message["request"] is not None and message["request"] >= requests:
            found.append(((*path, "request"), f"there is no request {message['request']}; requests are 0 to {requests - 1}"))
        found += [
            ((*path, "ranks"), f"there is no rank {rank}; ranks are 0 to {ranks - 1}")
            for rank in message["ranks"] or ()
            if rank >= ranks
        ]
    return found


def _host_only(spec: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The settings of a scenario that the device cuda does not have."""
    config = spec["config"]
    wanted: dict[tuple[str, ...], bool] = {
        ("config", "moe_workspace_bytes"): bool(config["moe_workspace_bytes"]),
        ("config", "data_plane_timeout_s"): any(config["data_plane_timeout_s"].values()),
        ("config", "moe_config", "comm_method"): (config["moe_config"] or {}).get("comm_method") == "by-mode",
        ("config", "zero_optimization", "stage"): config["zero_optimization"]["stage"] == 3,
        ("cpu", "memory_bytes"): spec["cpu"]["memory_bytes"] is not None,
    }
    return [path for path, on in wanted.items() if on]
