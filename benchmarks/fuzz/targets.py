"""What is given strange inputs: each reader with good inputs to begin with, and the errors by which it may refuse one."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from lockstep.engines.minimal.upstream.importing import import_config
from lockstep.harness.campaign.waives import load_waives
from lockstep.harness.channel.codec import FormatError, decode_from_supervisor, decode_from_watchdog, encode
from lockstep.harness.channel.to_supervisor import Call, WatchdogBeat
from lockstep.harness.channel.to_watchdog import Delta, Output, SupervisorBeat
from lockstep.harness.commands.expression import expression
from lockstep.harness.commands.selection import overrides
from lockstep.harness.engine_api import ForeignConfig
from lockstep.harness.inspection import answer
from lockstep.harness.judge.flight import diagnose
from lockstep.harness.judge.opinions import opinions
from lockstep.harness.placement.hosts import parse_file, parse_list
from lockstep.harness.report.rebuild import FORMATS
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.store import RunStore
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.scenario.load import load
from lockstep.harness.trace.log import EventLogWriter, describe, read_log
from lockstep.harness.watchdog.dump_decoding import read_json, read_pickle
from tests.report.samples import NAMES, case, hang, store

ROOT = Path(__file__).parents[2]
FLIGHT = [path.read_bytes() for path in sorted((ROOT / "tests/attach/dumps").glob("*.json"))]
RAS = {
    "communicators": [{"size": 2, "hash": "0x1", "ranks": [{"rank": 0, "pid": 9, "collective_counts": {"AllReduce": 3}}]}]
}
WAIVE = b"""waives:
  - case: a[b=c]
    owner: jane
    reason: known
    link: https://example.org/1
    expires: 2027-01-31
    meanwhile: {outcome: hang, cause: deadlock, blame: [3]}
"""


@dataclass(frozen=True, slots=True)
class Target:
    """`read` is given an input, in a folder of its own; it ends, or raises one of `refuses`."""

    name: str
    seeds: Sequence[bytes]
    read: Callable[[bytes, Path], object]
    refuses: tuple[type[Exception], ...] = field(default=(ScenarioError,))


def targets(folder: Path) -> list[Target]:
    """All of them. `folder`: where good inputs are made."""
    return [
        Target("scenario", _scenarios(), _scenario),
        Target("config", [path.read_bytes() for path in _files("tests/imports", "*.yaml")] + CONFIGS, _config),
        Target("option", [b"limits.deadline_s=60", b"kv_capacity.blocks=[1, 2, {a: b}]"], _option),
        Target("filter", [b"a and not (b or c)", b"'x y'"], lambda raw, _: expression(_text(raw))("some[case=1]")),
        Target("command-line", LINES, _command_line),
        Target("dump-json", FLIGHT, _dump_json, (ValueError,)),
        Target("dump-pickle", [pickle.dumps(json.loads(raw), 2) for raw in FLIGHT], _dump_pickle, (ValueError,)),
        Target("ras", [json.dumps(RAS).encode()], _ras, (ValueError,)),
        Target("wire", _frames(), _wire, ()),
        Target("event-log", [_log(folder)], _event_log, (ValueError,)),
        Target("run-json", [_run(folder, "run.json")], _run_json, (ValueError,)),
        Target("verdict-json", [_run(folder, "verdict.json")], _verdict, ()),
        Target("host-file", [b"node1:4\nnode2 slots=8\n# x\n10.0.0.1\n", b"u@h:2\n"], _hosts),
        Target("host-list", [b"node1:4,node2:8", b"node[1-4]:2"], lambda raw, _: parse_list(_text(raw))),
        Target("waives", [WAIVE], _waives),
        Target("inspection", [answer.lines(answer.Answer("node1", ""))], lambda raw, _: answer.find(raw)),
    ]


CONFIGS = [
    b"tensor_parallel_size: 4\nenable_attention_dp: true\ncuda_graph_config: {max_batch_size: 16, enable_padding: true}\n"
    b"kv_cache_config: {tokens_per_block: 32, max_tokens: 8k}\nspeculative_config: {decoding_type: MTP}\n",
    b"tensor-parallel-size: 2\nmax-num-seqs: 8\ncompilation_config: '{\"mode\": 3}'\n",
]
LINES = [
    b"vllm serve M -tp 4 --max-num-seqs 8 --compilation-config {\"mode\":3}",
    b"python -m sglang.launch_server --model-path M --tp 2 --cuda-graph-bs 1 2 4",
    b"trtllm-serve M --tp_size 4 --set a.b=[1] --kv_cache_free_gpu_memory_fraction 0.5",
]  # fmt: skip


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _files(folder: str, pattern: str) -> list[Path]:
    return sorted((ROOT / folder).rglob(pattern))


def _scenarios() -> list[bytes]:
    return [path.read_bytes() for path in _files("scenarios", "*.yaml")[::12] if path.name != "waives.yaml"]


def _written(folder: Path, raw: bytes) -> Path:
    path = folder / "input.yaml"
    path.write_bytes(raw)
    return path


def _scenario(raw: bytes, folder: Path) -> object:
    return load(_written(folder, raw))


def _config(raw: bytes, folder: Path) -> object:
    return import_config(ForeignConfig(_written(folder, raw)))


def _option(raw: bytes, folder: Path) -> object:
    return overrides([_text(raw)])


def _command_line(raw: bytes, folder: Path) -> object:
    words = tuple(word for word in _text(raw).split() if word.strip("-=") != "config" and "/" not in word)
    return import_config(ForeignConfig(words=words)) if words else None


def _dump_json(raw: bytes, folder: Path) -> object:
    return _judged(read_json(raw))


def _dump_pickle(raw: bytes, folder: Path) -> object:
    return _judged(read_pickle(raw))


def _judged(dump: dict[str, Any]) -> object:
    """As a command of its own, and as a second opinion, which must not cost the first."""
    opinions({}, {0: dump}, {}, None)
    return diagnose({0: dump, 1: json.loads(FLIGHT[1])})


def _ras(raw: bytes, folder: Path) -> object:
    return opinions(read_json(raw), {}, {9: 0}, None)


def _frames() -> list[bytes]:
    strings = ("a", "b" * 20)
    sent = [SupervisorBeat(), WatchdogBeat(), Call(7), Output(b"text\n"), Delta(bytes(128), strings, 3, (), 2, {}, 0)]
    return [b"".join(encode(message)) for message in sent]


def _wire(raw: bytes, folder: Path) -> object:
    for decode in (decode_from_supervisor, decode_from_watchdog):
        with contextlib.suppress(FormatError):
            decode(raw)
    return None


def _log(folder: Path) -> bytes:
    path = folder / "rank-0.events"
    with EventLogWriter(path, 0, 2) as log:
        log.append(bytes(64 * 4), ("phase", "all_reduce"), 1)
        log.clock(5)
        log.append(bytes(range(64)) * 3)
    return path.read_bytes()


def _event_log(raw: bytes, folder: Path) -> object:
    path = folder / "rank-0.events"
    path.write_bytes(raw)
    read_log(path)
    return list(describe(path))


def _run(folder: Path, name: str) -> bytes:
    """A file of a run with a verdict, which is made once in `folder`."""
    if not (folder / "runs").exists():
        (folder / "runs").mkdir()
        made = store(folder / "runs")
        made.record(CaseRecord(case(NAMES[0]), hang(), False, ["cause"], "again", 1.0))
    (path,) = (path for path in (folder / "runs").rglob(name) if "latest" not in path.parts)
    return path.read_bytes()


def _run_json(raw: bytes, folder: Path) -> object:
    return _rendered(raw, folder, "run.json")


def _verdict(raw: bytes, folder: Path) -> object:
    return _rendered(raw, folder, "verdict.json")


def _rendered(raw: bytes, folder: Path, name: str) -> object:
    """Every report of a run in which one file is strange."""
    good = _run(folder, name)
    (path,) = (path for path in (folder / "runs").rglob(name) if "latest" not in path.parts)
    path.write_bytes(raw)
    try:
        run = RunStore.open(next(path.parent for path in (folder / "runs").rglob("run.json") if "latest" not in path.parts))
        for form, render in FORMATS.items():
            with contextlib.suppress(ValueError) if form == "baseline" else contextlib.nullcontext():
                render(run.run, run.lines)
        return run
    finally:
        path.write_bytes(good)


def _hosts(raw: bytes, folder: Path) -> object:
    return parse_file(io.StringIO(_text(raw)).read(), "hosts")


def _waives(raw: bytes, folder: Path) -> object:
    return load_waives(_written(folder, raw), [case("a[b=c]"), case("b")], date(2026, 11, 30), False)
