"""What options of a server's command line come to: lists, former names, words too many, mistakes."""

from __future__ import annotations

import pytest

from tests.imports.support import notes, of_words


def graphs_of(line: str) -> object:
    """The graphs of decoding that a command line comes to, which has no problem."""
    said = of_words(line)
    assert not said.problems
    return said.sections["config"]["cuda_graph_config"]


@pytest.mark.parametrize(
    ("server", "former", "present"),
    [
        ("python3 -m sglang.launch_server --model-path M --tp 2", "--cuda-graph-bs", "--cuda-graph-bs-decode"),
        ("vllm serve M -tp 2", "--cuda-graph-sizes", "--cudagraph-capture-sizes"),
    ],
)
def test_a_list_by_its_former_name(server: str, former: str, present: str) -> None:
    """An option with a former name takes as many words as the present one, and each of them is looked at."""
    assert graphs_of(f"{server} {former} 1 2 4 8") == graphs_of(f"{server} {present} 1 2 4 8")
    assert graphs_of(f"{server} {former} 1 2 4 8") == {"batch_sizes": [1, 2, 4, 8], "enable_padding": True}
    (problem,) = of_words(f"{server} {former} 1 two").problems
    assert "must be a list of whole numbers from 1 on, got [1, 'two']" in str(problem)


def test_sizes_of_graphs_by_two_names() -> None:
    """One size alone by vLLM's former name is the largest; sizes that stand twice are refused; what they outdo is told."""
    assert graphs_of("vllm serve M -tp 2 --cuda-graph-sizes 64") == {"max_batch_size": 64, "enable_padding": True}
    twice = of_words("vllm serve M -tp 2 --cuda-graph-sizes 1 2 -cc.cudagraph_capture_sizes [1,4]")
    assert [str(problem).partition(":")[0] for problem in twice.problems] == ["--cuda-graph-sizes"]
    outdone = of_words("vllm serve M --cudagraph-capture-sizes 1 2 --max-cudagraph-capture-size 8")
    assert "one by one" in notes(outdone, "left out")["max_cudagraph_capture_size"]


@pytest.mark.parametrize(
    "line",
    [
        "sglang serve --model-path M --cuda-graph-max-bs 4 8",
        "sglang serve --cuda-graph-max-bs 4 8 --model-path M",
        "vllm serve M --max-num-seqs 4 8",
        "trtllm-serve serve M --tp_size 4 8",
    ],
)
def test_a_word_that_no_option_takes(line: str) -> None:
    """It is not taken for the model where this is said already."""
    (problem,) = of_words(line).problems
    assert "both stand for the model" in str(problem)
    assert not of_words(line.replace(" 8", "")).problems


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            """--speculative-config {"method":"mtp\"""",
            "--speculative-config: is broken JSON: Expecting ',' delimiter at character 16",
        ),
        ("--speculative-config {method:mtp}", "is broken JSON: Expecting property name enclosed in double quotes"),
        ("--config", "--config: names no file; give --config FILE, or leave it out"),
        ("--config --max-num-seqs 8", "--config: names no file"),
        ("--config 7", "7:1:1: cannot be read: no such file or directory; give the name of a file"),
    ],
)
def test_mistakes_of_a_command_line(options: str, said: str) -> None:
    """The option, what is wrong with its value, what to do."""
    (problem,) = of_words(f"vllm serve M {options}").problems
    assert said in str(problem)


def test_what_memory_a_server_may_have() -> None:
    """Is left out by either product for the same reason."""
    (why,) = {
        notes(of_words(f"{line} 0.8"), "left out")[key]
        for line, key in (
            ("vllm serve M --gpu-memory-utilization", "gpu_memory_utilization"),
            ("sglang serve --model-path M --mem-fraction-static", "mem_fraction_static"),
        )
    }
    assert why == "memory is given by kv_capacity, in blocks"
