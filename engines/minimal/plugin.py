"""The minimal engine as the harness sees it: schema, presets, impossible settings, command line."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from engines.minimal.schema import HABITS, PHASES, PRESETS, Config, Guards
from engines.minimal.settings import LAYERS

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
        if LAYERS % parallel["pp"]:
            found.append((("parallel", "pp"), f"the model's {LAYERS} layers cannot be dealt to {parallel['pp']} stages"))
        elif parallel["pp"] > 1 and spec["device"] != "cpu":
            found.append((("parallel", "pp"), "pipeline stages are linked on the CPU only; set device: cpu"))
        for number, fault in enumerate(spec["faults"]):
            if fault["kind"] in NEEDS_GPU and spec["device"] != "cuda":
                text = f"{fault['kind']} can happen to a GPU only; set device: cuda in this scenario"
                found.append((("faults", number, "kind"), text))
        if spec["device"] != "cpu":
            found += [
                (path, f"{'.'.join(path)} works on the CPU only; set device: cpu in this scenario")
                for path in _host_only(spec)
            ]
        prompt, new = spec["workload"]["prompt_tokens"], spec["workload"]["new_tokens"]
        if prompt + new > config["max_seq_len"]:
            found.append((("workload",), f"{prompt} prompt and {new} new tokens exceed max_seq_len {config['max_seq_len']}"))
        return found

    def command(self, spec: Mapping[str, Any]) -> list[str]:
        """One rank: everything it needs comes in its environment."""
        return [sys.executable, "-m", "engines.minimal"]


def _host_only(spec: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The settings of a scenario that the device cuda does not have."""
    config = spec["config"]
    wanted: dict[tuple[str, ...], bool] = {
        ("config", "moe_workspace_bytes"): bool(config["moe_workspace_bytes"]),
        ("config", "data_plane_timeout_s"): any(config["data_plane_timeout_s"].values()),
        ("cpu", "memory_bytes"): spec["cpu"]["memory_bytes"] is not None,
    }
    return [path for path, on in wanted.items() if on]


NEEDS_GPU = ("ballast", "device-error", "skip-launch")
EXPERTS = 8  # of engines.minimal.model, which the harness does not import: it needs torch
HEADS = 8
ENGINE = MinimalEngine()
