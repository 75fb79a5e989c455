"""The minimal engine as the harness sees it: schema, presets, impossible settings, command line."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path as File
from typing import Any

import lockstep
from lockstep.engines.minimal import checkout
from lockstep.engines.minimal.spec.model import EXPERTS, HEADS, HIDDEN, LAYERS
from lockstep.engines.minimal.spec.schema import HABITS, PHASES, PRESETS, Config, Guards

Path = tuple[str | int, ...]


class MinimalEngine:
    """Entry point `minimal`."""

    name = "minimal"
    Config = Config
    Guards = Guards

    def resolve(self, guards: Mapping[str, Any]) -> dict[str, Any]:
        """Each phase's guard and which phases exist: the preset's, refined by the phases named beside it."""
        preset = PRESETS[guards["preset"]]
        named = {phase: guards[phase] for phase in PHASES if guards.get(phase) is not None}
        chosen = {**preset, **named}
        return {
            "guards": {phase: chosen.get(phase, "none") for phase in PHASES},
            "habits": {name: guards.get(name, Guards.model_fields[name].default) for name in HABITS},
            "warmup": {phase: phase in chosen for phase in PHASES},
        }

    def check(self, spec: Mapping[str, Any]) -> list[tuple[Path, str]]:
        """Settings that cannot be."""
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
                (path, f"{'.'.join(path)} works on the CPU only; set device: cpu in this scenario")
                for path in _host_only(spec)
            ]
        if spec["habits"]["step_broadcast"] != "none" and parallel["attention_dp"]:
            text = "a step has nothing to broadcast where each rank has its own requests; use attention_dp: false"
            found.append((("guards", "step_broadcast"), text))
        found += _workload(spec)
        prompt, new = spec["workload"]["prompt_tokens"], _longest(spec["workload"]["new_tokens"])
        if prompt + new > config["max_seq_len"]:
            found.append((("workload",), f"{prompt} prompt and {new} new tokens exceed max_seq_len {config['max_seq_len']}"))
        return found

    def one_host(self, spec: Mapping[str, Any]) -> str:
        """What goes by memory or files of one host."""
        if spec["habits"]["step_broadcast"] != "none":
            return "guards.step_broadcast goes by shared memory"
        if spec["config"]["autotuner_cache"] == "first-rank-file":
            return "with config.autotuner_cache: first-rank-file all read one file"
        return "with gpu.plane: symm_mem all share one GPU" if spec["gpu"]["plane"] == "symm_mem" else ""

    def lacks(self, spec: Mapping[str, Any]) -> str:
        """Nothing: it brings its own model."""
        return ""

    def command(self, spec: Mapping[str, Any]) -> list[str]:
        """One rank: everything it needs comes in its environment."""
        if "tree" in spec:
            return [sys.executable, checkout.__file__, *lockstep.__path__, spec["tree"]]
        return [sys.executable, "-m", "lockstep.engines.minimal"]

    def tree(self, spec: Mapping[str, Any]) -> str:
        """The folder of the checkout that runs, or of this very code."""
        return spec.get("tree") or str(File(__file__).parent)

    def at(self, spec: Mapping[str, Any], tree: str) -> dict[str, Any]:
        """Ranks run `lockstep.engines.minimal` of the checkout; `tree` is its `engines` folder or one that holds it."""
        return {**spec, "tree": checkout.engines_folder(tree)}


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


NEEDS_GPU = ("ballast", "device-error", "skip-launch")
ENGINE = MinimalEngine()
