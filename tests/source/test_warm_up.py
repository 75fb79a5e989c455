"""Warm-up code of small trees on ranks that are threads: their own control flow decides what becomes of them."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lockstep.engines.minimal.base.unable import Unable
from lockstep.engines.source.trtllm.free_blocks import FreeBlocks
from tests.engine.support import Stuck
from tests.source.support import Ran, launch
from tests.source.trees import ALONE, ENGINE, LOUD, RUNNER, TOGETHER, engine_tree, runner_tree, write

Plant = Callable[..., Path]
LAYOUTS = pytest.mark.parametrize("plant", [engine_tree, runner_tree])


def errors(ranks: list[Ran]) -> list[BaseException | None]:
    """How each rank ended."""
    return [rank.error for rank in ranks]


def why(ranks: list[Ran]) -> str:
    """What no rank could do, in the words of the first."""
    assert {type(rank.error) for rank in ranks} == {Unable}
    return str(ranks[0].error)


@LAYOUTS
def test_a_loop_that_skips_alone_hangs_later_and_elsewhere(plant: Plant, tmp_path: Path) -> None:
    """The short rank leaves the loop one forward ahead of its peer: they end in different communicators."""
    ranks = launch(plant(tmp_path, ALONE), stuck_s=1.0)
    assert [str(error) for error in errors(ranks)] == ["tp", "world"]
    assert {type(error) for error in errors(ranks)} == {Stuck}


@LAYOUTS
def test_a_loop_that_skips_together_warms_up_and_decodes(plant: Plant, tmp_path: Path) -> None:
    """Every rank has the same graphs, gave all blocks back, and the requests are decoded."""
    ranks = launch(plant(tmp_path, TOGETHER))
    assert errors(ranks) == [None, None]
    assert [rank.warm_up.skipped for rank in ranks] == [{"generation_capture": [8]}] * 2
    assert [tokens for how, tokens in ranks[1].device.shapes if how == "capture"] == [4, 1]


@LAYOUTS
def test_a_guard_of_the_tree_raises_its_own_error_everywhere(plant: Plant, tmp_path: Path) -> None:
    """What the tree raises is a verdict on the tree."""
    ranks = launch(plant(tmp_path, LOUD))
    assert {str(error) for error in errors(ranks)} == {"no batch of 8 on [True, False]"}
    assert {type(error) for error in errors(ranks)} == {RuntimeError}


def test_a_tree_that_allows_no_capture_makes_graphs_when_they_are_used(tmp_path: Path) -> None:
    """As upstream did before it had a context for that."""
    path = engine_tree(tmp_path, TOGETHER) / ENGINE
    path.write_text(path.read_text().replace("with self.cuda_graph_runner.allow_capture():", "if True:"))
    ranks = launch(tmp_path)
    assert errors(ranks) == [None, None]
    assert [rank.warm_up.captured for rank in ranks] == [{"generation_capture": [4, 1]}] * 2


@LAYOUTS
def test_enough_room_everywhere_needs_no_guard(plant: Plant, tmp_path: Path) -> None:
    """With the same capacity on both ranks the loop that skips alone does no harm."""
    ranks = launch(plant(tmp_path, ALONE), {"kv_capacity": {"blocks": 32}})
    assert errors(ranks) == [None, None]
    assert ranks[0].warm_up.skipped == {"generation_capture": []}


def test_decisions_have_upstreams_figures_and_line(tmp_path: Path) -> None:
    """Free blocks, what the tree's code compared them with, the call's arguments, and where it was called."""
    tree = engine_tree(tmp_path, TOGETHER)
    ranks = launch(tree)
    assert errors(ranks) == [None, None]
    short = ranks[1]
    decision = next(found for found in short.log.decisions if found[2] == "left-out")
    lines = (tree / ENGINE).read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if "= self._create_cuda_graph_warmup_request(" in text)
    figures = "free_blocks=6 needed_blocks=8 batch_size=8 draft_len=0"
    assert decision == ("generation_capture.request", "bs=8 draft=0 greedy", "left-out", f"{figures} at={ENGINE}:{line}")
    assert short.log.phases[:2] == ["autotuner", "generation_capture"]


def test_tracebacks_show_the_tree(tmp_path: Path) -> None:
    """The error's frames have the tree's file and line, so that the source line is shown."""
    tree = engine_tree(tmp_path, LOUD)
    error = launch(tree)[0].error
    assert error is not None
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    assert frame is not None
    assert frame.tb_frame.f_code.co_filename == str(tree / ENGINE)
    assert "raise RuntimeError" in (tree / ENGINE).read_text().splitlines()[frame.tb_lineno - 1]


def test_the_tree_is_not_imported(tmp_path: Path) -> None:
    """What stands at the top of a module does not run, and constructors do not; no module of the tree's name appears."""
    tree = engine_tree(tmp_path, TOGETHER)
    path = tree / ENGINE
    path.write_text("print('built')\nraise SystemExit(1)\n" + path.read_text())
    assert errors(launch(tree)) == [None, None]
    assert not [name for name in sys.modules if name.startswith("tensorrt_llm")]


# What the tree needs and nobody has


@pytest.mark.parametrize(
    ("extra", "wanted"),
    [
        ("manager.enable_new_thing", "missing name KVCacheManager.enable_new_thing at {file}:{line}"),
        ("getattr(manager, 'new_thing', None)", "missing name KVCacheManager.new_thing at {file}:{line}"),
        ("hasattr(self.mapping, 'new_size')", "missing name mapping.new_size at {file}:{line}"),
        ("self.new_flag", "missing name PyTorchModelEngine.new_flag at {file}:{line}"),
        ("something_compiled()", "missing name tensorrt_llm.bindings.something_compiled at {file}:{line}"),
        ("undefined_function()", "missing name undefined_function at {file}:{line}"),
        ("from ..other import thing", "missing name tensorrt_llm._torch.other.thing at {file}:{line}"),
        ("import numpy", "missing name numpy at {file}:{line}"),
        ("torch.zeros(1)", "missing name torch.zeros at {file}:{line}"),
        ("manager.get_num_free_blocks(window=3)", "KVCacheManager.get_num_free_blocks at {file}:{line}: got an unexpected"),
        ("None.attribute", "AttributeError: 'NoneType' object has no attribute 'attribute' at {file}:{line}"),
        ("self.mapping.has_pp(1)", "mapping.has_pp at {file}:{line}: too many positional arguments"),
        ("self.dist.cp_allgather(1)", "missing name Distributed.cp_allgather at {file}:{line}"),
    ],
)
def test_what_is_missing_is_named_with_its_place(extra: str, wanted: str, tmp_path: Path) -> None:
    """An attribute, a name, a module, an argument: never an object that answers anything, also not for getattr's default."""
    tree = engine_tree(tmp_path, TOGETHER, extra)
    lines = (tree / ENGINE).read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if text.strip() == extra)
    assert why(launch(tree)).startswith(wanted.format(file=ENGINE, line=line))


def test_except_exception_swallows_nothing_that_is_missing(tmp_path: Path) -> None:
    """Code that goes on after any error does not go on after this."""
    extra = "try:\n            self.new_flag\n        except Exception:\n            pass"
    assert why(launch(engine_tree(tmp_path, TOGETHER, extra))).startswith("missing name PyTorchModelEngine.new_flag")


def test_super_is_missing(tmp_path: Path) -> None:
    """A method that stands alone has no class to ask its bases of."""
    text = why(launch(engine_tree(tmp_path, TOGETHER, "super().extra(manager)")))
    assert text.startswith("PyTorchModelEngine.extra uses super()")


def test_a_folder_that_is_no_tree(tmp_path: Path) -> None:
    """Each known layout is named with what is not there."""
    assert why(launch(tmp_path)) == (
        f"{tmp_path} is not a tree of TensorRT-LLM as this engine knows it: no {RUNNER}, no {ENGINE}"
    )


def test_a_tree_without_the_class(tmp_path: Path) -> None:
    """The file is there, the class is not."""
    write(tmp_path, ENGINE, "class Other:\n    pass\n")
    assert why(launch(tmp_path)).endswith(f"no {RUNNER}, no class PyTorchModelEngine in {ENGINE}")


def test_a_tree_without_the_method(tmp_path: Path) -> None:
    """The class is there, its warm-up is not."""
    write(tmp_path, ENGINE, "class PyTorchModelEngine:\n    pass\n")
    assert why(launch(tmp_path)).endswith(f"no method PyTorchModelEngine.warmup in {ENGINE}")


@pytest.mark.parametrize("file", [ENGINE, "tensorrt_llm/_torch/sizes.py"])
def test_a_file_that_is_not_python(file: str, tmp_path: Path) -> None:
    """A syntax error has its file and line, wherever in the tree it is met."""
    tree = engine_tree(tmp_path, TOGETHER)
    write(tree, file, "\n\ndef broken(:\n")
    assert why(launch(tree)).startswith(f"{file}:3: not valid Python for Python 3.")


def test_numbers_that_travel_are_plain() -> None:
    """What notes its comparisons here is an ordinary number on other ranks."""
    bench: Any = SimpleNamespace(needed_blocks=None)
    free = FreeBlocks.of(bench, 7)
    assert type(pickle.loads(pickle.dumps(free // 2))) is int
    assert (free > 5, bench.needed_blocks) == (True, 5)
    assert (free // 2 < 4, bench.needed_blocks) == (True, 4)
