"""Every mistake is reported with file, line, column and path, all of them at once.

Over the size we keep: it is a list of mistakes and answers, and whoever adds one looks whether it is there.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.harness.scenario.errors import FileErrors
from lockstep.harness.scenario.load import load, load_all
from tests.scenario.support import GOOD, changed, problems, write

Changes = list[tuple[str, str]]
CAPACITY, EXPECT, FAULTS = "{blocks: 16}", "  - {outcome: success}\n", "expect:\n"
PARALLEL = "parallel: {tp: 2}"

# name: changes to the good scenario, and what is said of them
MISTAKES: dict[str, tuple[Changes, list[str]]] = {
    "unknown key, close to one": (
        [("summary:", "sumary:")],
        ["a.yaml:1:1: summary: is missing; add it", "a.yaml:3:1: sumary: unknown key; did you mean summary?"],
    ),
    "unknown key, close to none": (
        [("{tp: 2}", "{tp: 2, zzz: 1}")],
        ["a.yaml:4:19: parallel.zzz: unknown key; allowed are: attention_dp, attention_tp, ep, pp, tp"],
    ),
    "unknown key of the engine": (
        [("max_batch_size: 4", "max_batchsize: 4")],
        ["a.yaml:6:3: config.max_batchsize: unknown key; did you mean max_batch_size?"],
    ),
    "unknown key in a nested section of the engine": (
        [("max_batch_size: 4", "kv_cache_config: {token_per_block: 4}")],
        ["a.yaml:6:21: config.kv_cache_config.token_per_block: unknown key; did you mean tokens_per_block?"],
    ),
    "unknown key in an optional section of the engine": (
        [("max_batch_size: 4", "cuda_graph_config: {batch_size: [1]}")],
        ["a.yaml:6:23: config.cuda_graph_config.batch_size: unknown key; did you mean batch_sizes?"],
    ),
    "wrong type": (
        [("tp: 2", 'tp: "2"')],
        ["a.yaml:4:16: parallel.tp: input should be a valid integer, got '2'; without quotes: 2"],
    ),
    "section that is no mapping": (
        [("config:\n  max_batch_size: 4", "config: 4")],
        ["a.yaml:5:9: config: input should be a valid dictionary, got 4"],
    ),
    "missing key": (
        [("source: https://example.org/1\n", "")],
        ["a.yaml:1:1: source: is missing; add it"],
    ),
    "missing key inside a list": (
        [("{outcome: success}", "{cause: deadlock}")],
        ["a.yaml:10:5: expect[0].outcome: is missing; add it"],
    ),
    "missing key inside one of several forms": (
        [(CAPACITY, "{blocks: {ranks: {1: 2}}}")],
        ["a.yaml:7:15: kv_capacity.blocks.default: is missing; add it"],
    ),
    "duplicate key": (
        [("summary: A sample.", "summary: A sample.\nsummary: Again.")],
        ["a.yaml:4:1: summary: the key stands here twice; remove one"],
    ),
    "duplicate key below": (
        [("{tp: 2}", "{tp: 2, tp: 4}")],
        ["a.yaml:4:19: parallel.tp: the key stands here twice; remove one"],
    ),
    "YAML syntax": (
        [("{tp: 2}", "{tp: 2")],
        [
            "a.yaml:5:7: not valid YAML: while parsing a flow mapping expected ',' or '}', but got ':'; "
            "look for a { above that is not closed"
        ],
    ),
    "YAML tag": (
        [("tp: 2", "tp: !two 2")],
        ["a.yaml:4:16: not valid YAML: a tag (!two) is not taken here; write the value without it"],
    ),
    "YAML control character": (
        [("A sample.", "A \x01sample.")],
        ["a.yaml:1:1: not valid YAML: unacceptable character #x0001: special characters are not allowed"],
    ),
    "a date that is none": (
        [("A sample.", "2020-13-45")],
        ["a.yaml:3:10: not valid YAML: month must be in 1..12"],
    ),
    "a list as a key": (
        [("{tp: 2}", "{[tp]: 2}")],
        ["a.yaml:4:12: not valid YAML: a list or mapping cannot be a key"],
    ),
    "an anchor that holds itself": (
        [("{tp: 2}", "&a {tp: *a}")],
        ["a.yaml:4:11: not valid YAML: an anchor holds itself"],
    ),
    "unknown engine": (
        [(PARALLEL, PARALLEL + "\nengine: miniml")],
        [
            "a.yaml:5:9: engine: engine 'miniml' is not installed; there are command, minimal, source; "
            "did you mean minimal?",
        ],
    ),
    "TensorRT-LLM key that is not modelled": (
        [("max_batch_size: 4", "attn_backend: TRTLLM")],
        ["a.yaml:6:3: config.attn_backend: a TensorRT-LLM key that the minimal engine does not model; remove it"],
    ),
    "key that belongs to parallel": (
        [("max_batch_size: 4", "tensor_parallel_size: 4")],
        ["a.yaml:6:3: config.tensor_parallel_size: belongs to the scenario's `parallel.tp`"],
    ),
    "several keys that are refused, and an unknown one": (
        [("max_batch_size: 4", "dtype: auto\n  attn_backend: TRTLLM\n  max_batchsize: 4")],
        [
            "a.yaml:6:3: config.dtype: a TensorRT-LLM key that the minimal engine does not model; remove it",
            "a.yaml:7:3: config.attn_backend: a TensorRT-LLM key that the minimal engine does not model; remove it",
            "a.yaml:8:3: config.max_batchsize: unknown key; did you mean max_batch_size?",
        ],
    ),
    "a word close to one that is allowed": (
        [("trtllm-main", "trtllm-mian")],
        [
            "a.yaml:8:18: guards.preset: input should be 'trtllm-before-14126', 'trtllm-14126', 'trtllm-14986' or "
            "'trtllm-main', got 'trtllm-mian'; did you mean trtllm-main?"
        ],
    ),
    "matrix key that names nothing": (
        [(FAULTS, "matrix:\n  guard.general: [none]\nexpect:\n")],
        ["a.yaml:10:3: matrix.guard.general: names nothing that can vary: guard; did you mean guards?"],
    ),
    "matrix key that names nothing in its section": (
        [(FAULTS, "matrix:\n  guards.generall: [none, assert]\nexpect:\n")],
        ["a.yaml:10:3: matrix.guards.generall: unknown key; did you mean general?"],
    ),
    "matrix key that cannot vary": (
        [(FAULTS, "matrix:\n  name: [a, b]\nexpect:\n")],
        ["a.yaml:10:3: matrix.name: names nothing that can vary: name"],
    ),
    "empty matrix values": (
        [(FAULTS, "matrix:\n  guards.general: []\nexpect:\n")],
        ["a.yaml:10:3: matrix.guards.general: has no values; add some or remove the key"],
    ),
    "matrix value that is no list": (
        [(FAULTS, "matrix:\n  guards.general: none\nexpect:\n")],
        ["a.yaml:10:19: matrix.guards.general: input should be a valid list, got 'none'; as a list: [none]"],
    ),
    "when with a key that is not in the matrix": (
        [
            (FAULTS, "matrix:\n  guards.general: [none]\nexpect:\n"),
            (EXPECT, EXPECT + "  - {when: {guards.autotuner: none}, outcome: hang}\n"),
        ],
        ["a.yaml:13:13: expect[1].when.guards.autotuner: is not a key of the matrix; it has guards.general"],
    ),
    "when with a value that is not in the matrix": (
        [
            (FAULTS, "matrix:\n  guards.general: [none]\nexpect:\n"),
            (EXPECT, EXPECT + "  - {when: {guards.general: agree}, outcome: hang}\n"),
        ],
        [
            "a.yaml:13:29: expect[1].when.guards.general: 'agree' is not a value of matrix key guards.general; "
            "it has ['none']"
        ],
    ),
    "no expectation fits": (
        [
            (FAULTS, "matrix:\n  guards.general: [none, agree]\nexpect:\n"),
            (EXPECT, "  - {when: {guards.general: none}, outcome: hang}\n"),
        ],
        ["a.yaml:11:1: expect: no entry fits sample[guards.general=agree]; add one, or one without when"],
    ),
    "two expectations fit equally": (
        [(EXPECT, EXPECT + "  - {outcome: hang}\n")],
        ["a.yaml:11:5: expect[1]: fits sample as well as entry 0 does; name one more matrix key in its when"],
    ),
    "kv_capacity list of the wrong length": (
        [(CAPACITY, "{blocks: [16, 16, 16]}")],
        ["a.yaml:7:23: kv_capacity.blocks: has 3 values for 2 ranks; give one for each"],
    ),
    "kv_capacity of a rank that is not there": (
        [(CAPACITY, "{blocks: {default: 16, ranks: {2: 8}}}")],
        ["a.yaml:7:48: kv_capacity.blocks.ranks[2]: there is no rank 2; ranks are 0 to 1"],
    ),
    "kv_capacity in two units": (
        [(CAPACITY, "{blocks: 16, bytes: 100}")],
        ["a.yaml:7:14: kv_capacity: give exactly one of blocks, bytes, fraction, ballast_bytes"],
    ),
    "kv_capacity of nothing": (
        [(CAPACITY, "{blocks: null}")],
        ["a.yaml:7:14: kv_capacity: give exactly one of blocks, bytes, fraction, ballast_bytes"],
    ),
    "kv_capacity below zero": (
        [(CAPACITY, "{blocks: [16, -1]}")],
        ["a.yaml:7:28: kv_capacity.blocks[1]: -1 is negative; give 0 or more"],
    ),
    "kv_capacity that cannot be counted": (
        [(CAPACITY, "{blocks: {default: 1.5, ranks: {1: 2.5}}}")],
        [
            "a.yaml:7:33: kv_capacity.blocks.default: 1.5 is not a whole number; blocks are counted",
            "a.yaml:7:49: kv_capacity.blocks.ranks[1]: 2.5 is not a whole number; blocks are counted",
        ],
    ),
    "a number without an end": (
        [(CAPACITY, "{blocks: .inf}")],
        ["a.yaml:7:23: kv_capacity.blocks: input should be a finite number, got inf"],
    ),
    "kv_capacity of more than all": (
        [(CAPACITY, "{fraction: 1.5}")],
        ["a.yaml:7:25: kv_capacity.fraction: 1.5 is more than all; give a share between 0 and 1"],
    ),
    "kv_capacity of a wrong type in a list": (
        [(CAPACITY, "{blocks: [16, many]}")],
        ["a.yaml:7:28: kv_capacity.blocks[1]: input should be a valid number, got 'many'"],
    ),
    "ep that does not fit tp": (
        [("{tp: 2}", "{tp: 4, ep: 2}")],
        ["a.yaml:4:23: parallel.ep: 2 is neither 1 nor tp (4); use one of them"],
    ),
    "tp that does not divide the heads": (
        [("{tp: 2}", "{tp: 3, ep: 1}")],
        ["a.yaml:4:16: parallel.tp: the model's 8 attention heads cannot be dealt to 3 ranks; use attention_dp"],
    ),
    "ep that does not divide the experts": (
        [("{tp: 2}", "{tp: 3, attention_dp: true}")],
        ["a.yaml:4:1: parallel.ep: the model's 8 experts cannot be dealt to 3 ranks; use ep: 1"],
    ),
    "a reserved variable": (
        [("kv_capacity:", 'environment: {LOCKSTEP_RANK: "0"}\nkv_capacity:')],
        ["a.yaml:7:30: environment.LOCKSTEP_RANK: is set by the harness or the MPI launcher; remove it"],
    ),
    "pipeline stages": (
        [("{tp: 2}", "{tp: 2, pp: 2}")],
        ["a.yaml:4:23: parallel.pp: pipeline stages are linked on the CPU only; set device: cpu"],
    ),
    "graph batch size above max_batch_size": (
        [("max_batch_size: 4", "max_batch_size: 4\n  cuda_graph_config: {batch_sizes: [1, 8]}")],
        ["a.yaml:7:40: config.cuda_graph_config.batch_sizes[1]: 8 is above max_batch_size 4; lower it or raise that"],
    ),
    "request longer than max_seq_len": (
        [(FAULTS, "workload: {prompt_tokens: 250, new_tokens: 10}\nexpect:\n")],
        ["a.yaml:9:11: workload: 250 prompt and 10 new tokens exceed max_seq_len 256"],
    ),
    "too few lengths": (
        [(FAULTS, "workload: {requests: 3, new_tokens: [1, 2]}\nexpect:\n")],
        ["a.yaml:9:37: workload.new_tokens: has 2 values for 3 requests; give one for each"],
    ),
    "a message to nobody who takes it": (
        [(FAULTS, "workload:\n  messages:\n    - {kind: pause}\nexpect:\n")],
        ["a.yaml:11:5: workload.messages: only an engine core takes messages; set config.data_parallel_backend"],
    ),
    "messages that name what is not there": (
        [
            ("{tp: 2}", "{tp: 2, attention_dp: true}"),
            ("max_batch_size: 4", "data_parallel_backend: mp"),
            (FAULTS, "workload:\n  messages:\n    - {kind: add_request, ranks: [2], request: 4}\nexpect:\n"),
        ],
        [
            "a.yaml:11:34: workload.messages[0].ranks: there is no rank 2; ranks are 0 to 1",
            "a.yaml:11:48: workload.messages[0].request: there is no request 4; requests are 0 to 3",
        ],
    ),
    "a message without its request": (
        [(FAULTS, "workload:\n  messages:\n    - {kind: kv_arrived}\nexpect:\n")],
        ["a.yaml:11:7: workload.messages[0]: `request` is needed for kv_arrived"],
    ),
    "a message with a tag that means nothing": (
        [(FAULTS, "workload:\n  messages:\n    - {kind: sleep, tag: weights}\nexpect:\n")],
        ["a.yaml:11:7: workload.messages[0]: `tag` has no meaning for sleep"],
    ),
    "an engine core without data parallelism": (
        [("max_batch_size: 4", "data_parallel_backend: mp")],
        [
            "a.yaml:6:26: config.data_parallel_backend: mp needs data-parallel ranks; set parallel.attention_dp: true and "
            "pp: 1"
        ],
    ),
    "partitioned parameters of one rank": (
        [("{tp: 2}", "{ep: 1, attention_dp: true}"), ("max_batch_size: 4", "zero_optimization: {stage: 3}\ndevice: cpu")],
        [
            "a.yaml:6:30: config.zero_optimization.stage: needs 2, 4 or 8 ranks, attention_dp: true, ep: 1, pp: 1, and no "
            "data_parallel_backend"
        ],
    ),
    "fault in an unknown phase": (
        [(FAULTS, "faults:\n  - {kind: raise, rank: 0, phase: warmup}\nexpect:\n")],
        [
            "a.yaml:10:35: faults[0].phase: unknown phase 'warmup'; there are init, attention, general, autotuner, "
            "generation_capture, prefill_capture, memory_pool, clock, decode, jit"
        ],
    ),
    "fault of a rank that is not there": (
        [(FAULTS, "faults:\n  - {kind: raise, rank: 2, phase: clock}\nexpect:\n")],
        ["a.yaml:10:25: faults[0].rank: there is no rank 2; ranks are 0 to 1"],
    ),
    "fault without its seconds": (
        [(FAULTS, "faults:\n  - {kind: delay, rank: 0, phase: clock}\nexpect:\n")],
        ["a.yaml:10:5: faults[0]: `seconds` is needed for delay"],
    ),
    "mistakes of several kinds in faults": (
        [
            (
                FAULTS,
                "faults:\n  - {kind: raise, rank: 2, phase: warmup, secs: 1}\n"
                "  - {kind: delay, rank: 0, phase: x}\nexpect:\n",
            )
        ],
        [
            "a.yaml:10:25: faults[0].rank: there is no rank 2; ranks are 0 to 1",
            "a.yaml:10:35: faults[0].phase: unknown phase 'warmup'; there are init, attention, general, autotuner, "
            "generation_capture, prefill_capture, memory_pool, clock, decode, jit",
            "a.yaml:10:43: faults[0].secs: unknown key; did you mean seconds?",
            "a.yaml:11:5: faults[1]: `seconds` is needed for delay",
            "a.yaml:11:35: faults[1].phase: unknown phase 'x'; there are init, attention, general, autotuner, "
            "generation_capture, prefill_capture, memory_pool, clock, decode, jit",
        ],
    ),
    "more blocks than any machine has": (
        [(CAPACITY, "{blocks: 100000000000000}")],
        ["a.yaml:7:23: kv_capacity.blocks: 1e+14 is more than any machine has; give at most 16777216"],
    ),
    "fault with seconds that mean nothing": (
        [(FAULTS, "faults:\n  - {kind: kill, rank: 0, phase: clock, seconds: 1}\nexpect:\n")],
        ["a.yaml:10:5: faults[0]: `seconds` has no meaning for kill"],
    ),
    "blame of a rank that is not there": (
        [("{outcome: success}", "{outcome: hang, blame: [5]}")],
        ["a.yaml:10:28: expect[0].blame: there is no rank 5; ranks are 0 to 1"],
    ),
    "impossible value in a matrix entry": (
        [(FAULTS, "matrix:\n  parallel.ep: [1, 7]\nexpect:\n")],
        ["a.yaml:10:20: matrix.parallel.ep[1]: 7 is neither 1 nor tp (2); use one of them"],
    ),
    "nodes that are too many": (
        [(FAULTS, "nodes: 3\nexpect:\n")],
        ["a.yaml:9:8: nodes: 3 nodes are too many for 2 ranks; every node has at least one"],
    ),
    "nodes that cannot be even": (
        [(PARALLEL, "parallel: {tp: 4}"), (FAULTS, "nodes: 3\nexpect:\n")],
        [
            "a.yaml:9:8: nodes: 4 ranks cannot be dealt evenly to 3 nodes; for example ranks_per_node: [2, 1, 1]",
        ],
    ),
    "ranks of nodes that do not add up": (
        [(FAULTS, "ranks_per_node: [2, 1]\nexpect:\n")],
        [
            "a.yaml:9:17: ranks_per_node: [2, 1] adds up to 3 ranks, and there are 2; for example ranks_per_node: [1, 1]",
        ],
    ),
    "ranks of nodes that are no share": (
        [(PARALLEL, "parallel: {tp: 4}"), (FAULTS, "ranks_per_node: 3\nexpect:\n")],
        ["a.yaml:9:17: ranks_per_node: 4 ranks are no multiple of 3; for example ranks_per_node: [2, 2]"],
    ),
    "nodes and ranks of nodes that contradict each other": (
        [(FAULTS, "nodes: 2\nranks_per_node: 2\nexpect:\n")],
        ["a.yaml:10:17: ranks_per_node: 2 on each of 2 nodes is 4 ranks, and there are 2; leave it out"],
    ),
    "another number of nodes than the list has": (
        [(FAULTS, "nodes: 3\nranks_per_node: [1, 1]\nexpect:\n")],
        ["a.yaml:9:8: nodes: 3 is not the 2 nodes of ranks_per_node; leave nodes out"],
    ),
    "a node without ranks": (
        [(FAULTS, "ranks_per_node: [2, 0]\nexpect:\n")],
        ["a.yaml:9:21: ranks_per_node[1]: input should be greater than 0, got 0"],
    ),
    "nodes for what one host's memory carries": (
        [
            ("guards: {preset: trtllm-main}", "guards: {preset: trtllm-main, step_broadcast: checked}"),
            (FAULTS, "matrix:\n  nodes: [1, 2]\nexpect:\n"),
        ],
        [
            "a.yaml:10:14: matrix.nodes[1]: guards.step_broadcast goes by shared memory, which only ranks on one host can; "
            "leave this out"
        ],
    ),
    "wrong value below a matrix entry": (
        [(FAULTS, "matrix:\n  guards:\n    - {preset: trtllm-main}\n    - {general: 3}\nexpect:\n")],
        [
            "a.yaml:12:17: matrix.guards[1].general: input should be 'none', 'assert', 'agree', 'sync-skip' or 'fail-stop', "
            "got 3"
        ],
    ),
    "wrong first value in a matrix": (
        [(FAULTS, "matrix:\n  parallel.tp: [none, 2]\nexpect:\n")],
        ["a.yaml:10:17: matrix.parallel.tp[0]: input should be a valid integer, got 'none'"],
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(name: str, tmp_path: Path) -> None:
    """Each mistake gives exactly its lines, with place, path and advice."""
    changes, wanted = MISTAKES[name]
    assert problems(write(tmp_path, changed(*changes))) == wanted


def test_good_scenario(tmp_path: Path) -> None:
    """The scenario that the mistakes are made in has none itself."""
    (case,) = load(write(tmp_path, GOOD))
    assert (case.id, case.ranks, case.expect.outcome) == ("sample", 2, "success")


@pytest.mark.parametrize("text", ["", "- 1\n", "word\n", "# nothing\n"])
def test_no_mapping(text: str, tmp_path: Path) -> None:
    """A file that holds no mapping says so."""
    assert problems(write(tmp_path, text)) == ["a.yaml:1:1: a scenario is a mapping of keys; see docs/scenarios.md"]


def test_unreadable(tmp_path: Path) -> None:
    """A file that is no text is a mistake with a place, not a traceback."""
    path = tmp_path / "a.yaml"
    path.write_bytes(b"name: \xff\n")
    (line,) = problems(path)
    assert line.startswith("a.yaml:1:1: cannot be read: this is no text")


EVERYTHING = """\
name: Bad Name
source: https://example.org
summary: s
parallel: {tp: "2", pp: 1}
config:
  max_batchsize: 4
  kv_cache_config: {tokens_per_block: 0}
kv_capacity: {blocks: {defalt: 3}}
guards: {preset: trtllm-mian}
workload: {requests: -1}
faults:
  - {kind: delay, rank: 0, phase: general}
matrix:
  guards.generaln: [none, assert]
  guards.general: [none, oops]
  config.max_seq_len: []
  nothing: [1]
expect:
  - {outcome: hang, cause: leak}
"""


def test_all_mistakes_of_a_file_at_once(tmp_path: Path) -> None:
    """Mistakes of the frame do not hide those of the engine's sections, of the matrix or of any of its points."""
    found = [line.split(": ")[0:2] for line in problems(write(tmp_path, EVERYTHING))]
    assert found == [
        ["a.yaml:1:7", "name"],
        ["a.yaml:4:16", "parallel.tp"],
        ["a.yaml:6:3", "config.max_batchsize"],
        ["a.yaml:7:39", "config.kv_cache_config.tokens_per_block"],
        ["a.yaml:8:15", "kv_capacity.blocks.default"],
        ["a.yaml:8:24", "kv_capacity.blocks.defalt"],
        ["a.yaml:9:18", "guards.preset"],
        ["a.yaml:10:22", "workload.requests"],
        ["a.yaml:12:5", "faults[0]"],
        ["a.yaml:14:3", "matrix.guards.generaln"],
        ["a.yaml:15:26", "matrix.guards.general[1]"],
        ["a.yaml:16:3", "matrix.config.max_seq_len"],
        ["a.yaml:17:3", "matrix.nothing"],
        ["a.yaml:19:28", "expect[0].cause"],
    ]


def test_unknown_engine_hides_nothing_of_the_frame(tmp_path: Path) -> None:
    """Without the engine its sections cannot be checked; all else is."""
    path = write(tmp_path, changed((PARALLEL, "limits: {deadline_s: none}\nengine: other")))
    assert [line.split(": ")[1] for line in problems(path)] == ["limits.deadline_s", "engine"]


def test_all_files_at_once(tmp_path: Path) -> None:
    """The mistakes of all files come together, in the order of the files."""
    write(tmp_path, changed(("{tp: 2}", "{tp: 0}")), "one.yaml")
    write(tmp_path, changed(("{tp: 2}", "{tp: 2")), "two.yaml")
    write(tmp_path, changed(("max_batch_size", "max_batchsize")), "three.yaml")
    with pytest.raises(FileErrors) as caught:
        load_all([tmp_path])
    assert [Path(problem.file).name for problem in caught.value.problems] == ["one.yaml", "three.yaml", "two.yaml"]


def test_same_name_in_two_files(tmp_path: Path) -> None:
    """Two scenarios of one name are refused, so that ids stay unique."""
    first = write(tmp_path, GOOD, "a.yaml")
    second = write(tmp_path, GOOD, "b.yaml")
    with pytest.raises(FileErrors) as caught:
        load_all([tmp_path])
    assert str(caught.value) == f"{second}:1:1: name: sample is also the name of {first}; change one"


def test_nested_too_deeply(tmp_path: Path) -> None:
    """A file that is nested more deeply than can be read is a mistake of the file."""
    path = tmp_path / "deep.yaml"
    path.write_text("a: " + "[" * 5000)
    with pytest.raises(FileErrors, match="nested too deeply"):
        load(path)


@pytest.mark.parametrize("product", ["", "trtllm"])
def test_aliases_that_repeat_each_other(product: str, tmp_path: Path) -> None:
    """A few lines that come to millions of values are refused at once, in a scenario and in a config that it names."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 60)]
    path = write(tmp_path, "\n".join(lines))
    if product:
        other = f"config_file: {{path: a.yaml, product: {product}}}\nkv_capacity"
        path = write(tmp_path, changed(("kv_capacity", other)), "b.yaml")
    (line,) = problems(path)
    assert line.endswith("comes to more than 20,000 keys and values, with what aliases (*name) repeat; give a smaller file")


def test_a_long_text_that_aliases_repeat(tmp_path: Path) -> None:
    """Its letters are counted as often as it stands there."""
    path = write(tmp_path, f"a: &a {'x' * 10_000}\nb: [{', '.join(['*a'] * 1000)}]\n")
    (line,) = problems(path)
    assert line.endswith("comes to more than 1 MiB of text, with what aliases (*name) repeat; give a smaller file")


def test_an_anchor_that_holds_itself(tmp_path: Path) -> None:
    """A mistake of the file."""
    (line,) = problems(write(tmp_path, "a: &a [*a, *a]\n"))
    assert line.endswith("not valid YAML: an anchor holds itself")


def test_very_many_keys(tmp_path: Path) -> None:
    """They are refused before each of them is told to be unknown."""
    (line,) = problems(write(tmp_path, "".join(f"k{number}: 1\n" for number in range(10_001))))
    assert "comes to more than 20,000 keys and values" in line
