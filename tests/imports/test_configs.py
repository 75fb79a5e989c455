"""What configs of TensorRT-LLM, vLLM and SGLang come to: sections, places of mistakes, what is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockstep.engines.minimal.upstream.lengths import REQUEST_TOKENS, SHORTEST, Lengths
from lockstep.engines.minimal.upstream.tables import PRODUCTS, table
from lockstep.harness.scenario.errors import FileErrors, ScenarioError
from tests.imports.support import loaded, notes, of_file, of_words

CURATED = {
    "tensor_parallel_size": 2, "moe_expert_parallel_size": 2, "enable_attention_dp": True,
    "attention_dp_config": {"enable_balance": True, "batching_wait_iters": 10}, "max_batch_size": 16, "max_num_tokens": 1024,
    "max_seq_len": 256, "print_iter_log": True, "disable_overlap_scheduler": True,
    "cuda_graph_config": {"enable_padding": True, "max_batch_size": 16},
    "kv_cache_config": {"dtype": "fp8", "free_gpu_memory_fraction": 0.8, "enable_block_reuse": False,
                        "tokens_per_block": 32},
    "moe_config": {"backend": "WIDEEP", "max_num_tokens": 4096},
}  # fmt: skip


def test_a_config_of_trtllm(tmp_path: Path) -> None:
    """What is modelled is mapped, lengths are halved with the block, and each other key has its reason."""
    said = of_file(tmp_path, CURATED)
    assert said.product == "TensorRT-LLM"
    assert said.sections == {
        "parallel": {"tp": 2, "attention_dp": True, "ep": 2},
        "config": {
            "max_batch_size": 16, "max_num_tokens": 512, "max_seq_len": 128,
            "kv_cache_config": {"tokens_per_block": 16, "free_gpu_memory_fraction": 0.8, "enable_block_reuse": False},
            "cuda_graph_config": {"max_batch_size": 16, "enable_padding": True}, "moe_config": {"max_num_tokens": 2048},
        },
    }  # fmt: skip
    assert set(notes(said, "left out")) == {
        "attention_dp_config", "print_iter_log", "disable_overlap_scheduler", "kv_cache_config.dtype", "moe_config.backend",
    }  # fmt: skip
    assert [missing.path for missing in said.missing] == [("kv_capacity", "blocks")]


def test_old_homes_of_keys(tmp_path: Path) -> None:
    """The keys of `pytorch_backend_config`, and names that moved since, are taken for what they are called now."""
    old = {
        "tensor_parallel_size": 2, "max_batch_size": 8, "max_num_tokens": 512, "max_seq_len": 128,
        "pytorch_backend_config": {"use_cuda_graph": True, "cuda_graph_batch_sizes": [1, 2, 64], "moe_max_num_tokens": 64,
                                   "attention_dp_enable_balance": True, "torch_compile_piecewise_cuda_graph": True},
        "speculative_config": {"decoding_type": "MTP", "num_nextn_predict_layers": 2},
        "kv_cache_config": {"mamba_state_cache_interval": 3},
    }  # fmt: skip
    said = of_file(tmp_path, old)
    assert not said.problems
    config = said.sections["config"]
    assert config["cuda_graph_config"] == {"batch_sizes": [1, 2]}
    assert config["speculative_config"] == {"decoding_type": "MTP", "num_nextn_predict_layers": 2}
    assert config["torch_compile_config"] == {"enable_piecewise_cuda_graph": True}
    assert config["moe_config"] == {"max_num_tokens": 64}
    assert "kv_cache_config.mamba_state_cache_interval" in notes(said, "taken")
    assert notes(said, "taken")["attention_dp_enable_balance"] == "its home is attention_dp_config.enable_balance now"


@pytest.mark.parametrize(
    ("graphs", "expected"),
    [
        ({}, {"max_batch_size": 8}),
        ({"cuda_graph_config": None}, None),
        ({"cuda_graph_config": {}}, {"max_batch_size": 8}),
        ({"use_cuda_graph": False}, None),
        ({"use_cuda_graph": True}, {"max_batch_size": 8}),
        ({"cuda_graph_config": {"batch_sizes": [4, 1, 4]}}, {"batch_sizes": [1, 4]}),
        ({"cuda_graph_config": {"batch_sizes": [4], "max_batch_size": 4}, "use_cuda_graph": False}, {"batch_sizes": [4]}),
        ({"use_cuda_graph": False, "cuda_graph_config": {"batch_sizes": [4]}}, {"batch_sizes": [4]}),
    ],
)
def test_graphs_of_trtllm(graphs: dict[str, Any], expected: object, tmp_path: Path) -> None:
    """Graphs are there by default, up to the batch; null, and the old switch, turn them off; the present key wins."""
    said = of_file(tmp_path, {"tensor_parallel_size": 2, "max_batch_size": 8, **graphs}, "trtllm")
    assert said.sections["config"].get("cuda_graph_config") == expected


def test_a_command_line_of_vllm() -> None:
    """Data-parallel ranks are engine cores, each of as many ranks as share its tensors; options in all their forms."""
    line = (
        "VLLM_USE=1 vllm serve --enforce-eager MODEL -tp 2 --data-parallel-size=4 --no-enable-prefix-caching -ep"
        " --speculative-config.method mtp --speculative-config.num_speculative_tokens 2 --max-num-seqs 8 -O3"
        " --api-key SECRET --max-model-len 2k"
        " --num-gpu-blocks-override 640 --max-num-batched-tokens 512 --served-model-name a b"
    )
    said = of_words(line)
    assert not said.problems
    assert not said.missing
    assert said.sections["parallel"] == {"tp": 8, "ep": 8, "attention_dp": True, "attention_tp": 2}
    assert said.sections["kv_capacity"] == {"blocks": 640}
    assert said.sections["device"] == "cpu"
    config = said.sections["config"]
    assert "cuda_graph_config" not in config
    assert config["max_seq_len"] == 2000
    assert config["kv_cache_config"] == {"tokens_per_block": 16, "enable_block_reuse": False}
    assert config["speculative_config"] == {"decoding_type": "MTP", "num_nextn_predict_layers": 2}
    assert (config["data_parallel_backend"], config["async_scheduling"]) == ("mp", True)
    assert {"api_key", "served_model_name", "optimization_level", "model"} <= set(notes(said, "left out"))


def test_a_file_and_a_command_line_of_vllm_say_the_same(tmp_path: Path) -> None:
    """Keys with dashes in YAML are the options; JSON on the command line is a section."""
    config = {"tensor-parallel-size": 2, "max-num-seqs": 8, "compilation-config": {"cudagraph_capture_sizes": [1, 2, 4]}}
    file = of_file(tmp_path, config)
    words = of_words('vllm serve M --tensor-parallel-size 2 --max-num-seqs 8 -cc {"cudagraph_capture_sizes":[1,2,4]}')
    assert file.product == words.product == "vLLM"
    assert file.sections == words.sections
    assert file.sections["config"]["cuda_graph_config"] == {"batch_sizes": [1, 2, 4], "enable_padding": True}


def test_a_command_line_of_sglang() -> None:
    """Attention DP by its old spelling: its groups share attention, and the running requests are of all of them."""
    said = of_words(
        "python -m sglang.launch_server --model-path M --tp 8 --dp 4 --enable-dp-attention --page-size 64"
        " --max-running-requests 64 --cuda-graph-max-bs 8 --chunked-prefill-size 4096 --context-length 8192"
        " --max-total-tokens 65536"
    )
    assert not said.problems
    assert said.sections["parallel"] == {"tp": 8, "attention_dp": True, "attention_tp": 2}
    config = said.sections["config"]
    assert (config["max_batch_size"], config["max_num_tokens"], config["max_seq_len"]) == (16, 512, 1024)
    assert config["kv_cache_config"] == {"tokens_per_block": 8, "max_tokens": 8192, "enable_block_reuse": True}
    assert said.sections["kv_capacity"] == {"blocks": 1024}
    assert config["cuda_graph_config"] == {"max_batch_size": 8, "enable_padding": True}


def test_a_command_line_with_a_config(tmp_path: Path) -> None:
    """Options win over the file that `--config` names; what neither says is the product's default, one rank too."""
    path = tmp_path / "serve.yaml"
    path.write_text("max_batch_size: 4\nenable_attention_dp: true\n")
    said = of_words(f"mpirun -n 8 trtllm-llmapi-launch trtllm-serve M --tp_size 2 --max_batch_size 2 --config {path}")
    assert said.sections["parallel"] == {"tp": 2, "attention_dp": True}
    assert said.sections["config"]["max_batch_size"] == 2
    alone = of_words("trtllm-serve M")
    assert [missing.path[0] for missing in alone.missing] == ["kv_capacity"]
    assert "meets nobody" in notes(alone, "taken")["ranks"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"tensor_parallel_size": "two"}, "1:1: tensor_parallel_size: must be a whole number from 1 on, got 'two'"),
        ({"print_iter_logs": True, "max_batch_size": 2}, "1:1: print_iter_logs: no key of TensorRT-LLM"),
        ({"kv_cache_config": {"dtpye": "fp8"}}, "2:3: kv_cache_config.dtpye: no key of TensorRT-LLM"),
        ({"kv_cache_config": 5}, "1:1: kv_cache_config: is a section with keys of its own, got 5"),
        ({"enable_attention_dp": "yes, please"}, "1:1: enable_attention_dp: must be true or false, got 'yes, please'"),
        ({"max_beam_width": 4}, "1:1: max_beam_width: beam search is not modelled, got 4; set it to 1"),
    ],
)
def test_mistakes_have_their_place(config: dict[str, Any], said: str, tmp_path: Path) -> None:
    """File, line, column, key, what is wrong."""
    found = of_file(tmp_path, config, "trtllm")
    assert any(said in str(problem) for problem in found.problems), found.problems


def test_what_was_probably_meant(tmp_path: Path) -> None:
    """A key with a typo is told the one that it is near, and can be left out on purpose."""
    config = {"kv_cache_config": {"dtpye": "fp8"}, "tensor_parallel_size": 2}
    (problem,) = of_file(tmp_path, config).problems
    assert "did you mean kv_cache_config.dtype?" in problem.advice
    assert "ignore_unknown" in problem.advice
    said = of_file(tmp_path, config, ignore_unknown=True)
    assert not said.problems
    assert "kv_cache_config.dtpye" in notes(said, "left out")


def test_whose_config_it_is(tmp_path: Path) -> None:
    """Keys tell; where none does, and for a program that nobody knows, the choice is named."""
    assert of_file(tmp_path, {"max-num-seqs": 8}).product == "vLLM"
    assert of_file(tmp_path, {"page-size": 8, "tp-size": 2}).product == "SGLang"
    (problem,) = of_file(tmp_path, {"nobody": 1}).problems
    assert problem.advice == "give --from trtllm, vllm or sglang"
    with pytest.raises(ScenarioError, match="--from mine: there are trtllm, vllm, sglang"):
        of_file(tmp_path, {}, "mine")
    with pytest.raises(ScenarioError, match="no server that is known"):
        of_words("python train.py --lr 1")


def test_a_problem_of_a_scenario_stands_in_its_config(tmp_path: Path) -> None:
    """What only the config says is told at the config's line; what the scenario says itself wins, and is told there."""
    config = {"max_batch_size": 8, "tensor_parallel_size": 4, "moe_expert_parallel_size": 3}
    with pytest.raises(FileErrors) as wrong:
        loaded(tmp_path, config, kv_capacity={"blocks": 32})
    (problem,) = wrong.value.problems
    assert str(problem).startswith(f"{tmp_path / 'config.yaml'}:3:1: moe_expert_parallel_size: 3 is neither 1 nor tp (4)")
    with pytest.raises(FileErrors) as wrong:
        loaded(tmp_path, config, kv_capacity={"blocks": 32}, parallel={"ep": 2})
    assert str(wrong.value.problems[0]).startswith(f"{tmp_path / 'scenario.yaml'}:")
    own = {"kv_capacity": {"blocks": 32}, "parallel": {"ep": 4}, "config": {"max_batch_size": 2}}
    (case,) = loaded(tmp_path, config, **own)
    assert case.ranks == 4
    assert case.spec["config"]["max_batch_size"] == 2


def test_a_scenario_is_asked_for_what_its_config_does_not_say(tmp_path: Path) -> None:
    """Ranks and KV blocks stand in no such file; the scenario's own number for them counts, in whatever unit."""
    with pytest.raises(FileErrors) as wrong:
        loaded(tmp_path, {"max_batch_size": 8})
    asked = [problem.what.split(" is missing")[0] for problem in wrong.value.problems]
    assert asked == ["kv_capacity.blocks", "parallel.tp"]
    config = {"max_batch_size": 8, "kv_cache_config": {"max_tokens": 256}}
    (case,) = loaded(tmp_path, config, parallel={"tp": 2, "ep": 2}, kv_capacity={"fraction": 0.5})
    assert case.spec["kv_capacity"]["unit"] == "fraction"


SCALARS = st.none() | st.booleans() | st.integers(-2, 2**40) | st.floats(allow_nan=False) | st.text(max_size=6)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=4), SCALARS, max_size=2)
CHOICES: list[Any] = [None, True, False, 1, 2, 4, 8, 64, 512, 0.5, [1, 2], "MTP", "mtp", "NEXTN", "piecewise", "8k", {}]
SENSIBLE: st.SearchStrategy[Any] = st.sampled_from(CHOICES)


@st.composite
def configs(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Some keys of a product, known and moved and gone, with values of any kind, most of them of the right one."""
    name = draw(st.sampled_from(PRODUCTS))
    known = table(name)
    names = sorted(known.names)
    chosen = draw(st.lists(st.sampled_from([*names, *sorted(known.modelled) * 8]), max_size=12, unique=True))
    found: dict[str, Any] = {}
    for key in chosen:
        here = found
        *above, last = key.split(".")
        for part in above:
            below = here.setdefault(part, {})
            here = below if isinstance(below, dict) else {}
        here[last] = draw(SENSIBLE | VALUES)
    return name, found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(configs())
def test_any_keys_come_to_a_scenario_or_to_problems(tmp_path: Path, config: tuple[str, dict[str, Any]]) -> None:
    """Whatever stands behind keys that are known: cases, or mistakes with their places, and nothing else."""
    name, data = config
    path = {"path": "config.yaml", "product": name}
    try:
        cases = loaded(tmp_path, data, parallel={"tp": 2, "ep": 2}, kv_capacity={"blocks": 64}, config_file=path)
    except FileErrors as error:
        assert error.problems
        assert all(problem.line and problem.what for problem in error.problems)
    else:
        assert cases[0].ranks >= 2


@pytest.mark.parametrize(("named", "what"), [("none.yaml", "no such file"), (".", "is a folder")])
@pytest.mark.parametrize("in_mapping", [False, True])
def test_a_config_that_is_not_there(named: str, what: str, in_mapping: bool, tmp_path: Path) -> None:
    """It is told at the line of the scenario that names it."""
    with pytest.raises(FileErrors) as raised:
        loaded(tmp_path, CURATED, config_file={"path": named} if in_mapping else named)
    (problem,) = raised.value.problems
    assert (problem.file, problem.path) == (str(tmp_path / "scenario.yaml"), "config_file")
    assert problem.line > 1
    assert problem.what == f"{named}: {what}"
    assert problem.advice == "give the path of a config, relative to this file"


@given(st.integers(1, 1 << 17), st.none() | st.integers(1, 1 << 20), st.sampled_from([1, 8, 16, 32, 48, 64, 128]))
def test_division_keeps_counts_of_blocks(batch: int, request_tokens: int | None, block: int) -> None:
    """A block and a request are divided by the same number as far as the block allows; a request stays long enough."""
    lengths = Lengths(batch, request_tokens, block)
    scale = lengths.scale()
    tokens, each = lengths.blocks_each(scale)
    assert tokens * scale == block * each
    assert scale & (scale - 1) == 0
    if request_tokens is not None and scale > 1:
        assert request_tokens // scale >= SHORTEST
    if request_tokens is None or request_tokens // (scale * 2) >= SHORTEST:
        assert batch // scale <= 512
        assert (request_tokens or 0) // scale <= REQUEST_TOKENS
