"""Small trees in the shape of TensorRT-LLM's: its names of files, classes and methods, with bodies of our own."""

from __future__ import annotations

from pathlib import Path

PYEXECUTOR = "tensorrt_llm/_torch/pyexecutor"
ENGINE = f"{PYEXECUTOR}/model_engine.py"
RUNNER = f"{PYEXECUTOR}/engine/runners/decoder/runner.py"

# What a capture loop does with a request that the rank could not make.
ALONE = "if batch is None:\n                        continue"
TOGETHER = "if not all(self.dist.tp_allgather(batch is not None)):\n                        continue"
LOUD = (
    "flags = self.dist.tp_allgather(batch is not None)\n"
    "                    if any(flags) and not all(flags):\n"
    "                        raise RuntimeError(f'no batch of {size} on {flags}')\n"
    "                    if batch is None:\n"
    "                        continue"
)

HEAD = '''\
"""A stand-in tree for tests."""
import contextlib
import functools
from typing import Optional

import torch

from tensorrt_llm.bindings import something_compiled
from tensorrt_llm.logger import logger

from ..sizes import largest_first
from .resource_manager import KVCacheManager, ResourceManagerType
from .scheduler import ScheduledRequests


class ModelEngine:
    use_graphs = True

    @contextlib.contextmanager
    def released(self, batch: Optional[ScheduledRequests], manager: KVCacheManager):
        try:
            yield batch
        finally:
            for request in batch.all_requests() if batch is not None else ():
                manager.free_resources(request)


'''

ENGINE_CLASS = """\
class PyTorchModelEngine(ModelEngine):

    def __init__(self, model: something_compiled) -> None:
        self._captures = 0
        self.model = something_compiled(model)

    @staticmethod
    def with_warmup_flag(method):

        @functools.wraps(method)
        def wrapper(self, *args, **kwargs):
            self.is_warmup = True
            try:
                return method(self, *args, **kwargs)
            finally:
                self.is_warmup = False

        return wrapper

    @property
    def is_warmup(self):
        return self._is_warmup

    @is_warmup.setter
    def is_warmup(self, value):
        self._is_warmup = value

    @with_warmup_flag
    def warmup(self, resource_manager):
        manager = resource_manager.get_resource_manager(self.kv_cache_manager_key)
        assert manager is resource_manager.get_resource_manager(ResourceManagerType.KV_CACHE_MANAGER)
        assert self.is_warmup and self.use_graphs
        self._run_autotuner_warmup(resource_manager)
        with self.cuda_graph_runner.allow_capture():
            self._capture_generation_cuda_graphs(resource_manager)
        logger.info(f"captured {self._captures}")
        self.extra(manager)
"""

METHODS = """
    def extra(self, manager):
        EXTRA

    def _run_autotuner_warmup(self, resource_manager):
        from ..custom_ops.tactics import MoERunner
        MoERunner.clear_all_workspaces()
        manager = resource_manager.get_resource_manager(self.kv_cache_manager_key)
        graphs, self.cuda_graph_runner.enabled = self.cuda_graph_runner.enabled, False
        with self.released(self._create_warmup_request(resource_manager, 2, 0), manager) as batch:
            if all(self.dist.allgather(batch is not None)):
                self.forward(batch, new_tensors_device=None, resource_manager=resource_manager)
        self.cuda_graph_runner.enabled = graphs

    def _capture_generation_cuda_graphs(self, resource_manager):
        manager = resource_manager.get_resource_manager(self.kv_cache_manager_key)
        for size in largest_first(SIZES):
                warmup_request = self._create_cuda_graph_warmup_request(resource_manager, size, self.max_draft_len)
                with self.released(warmup_request, manager) as batch:
                    GUARD
                    self.forward(batch, new_tensors_device=None, resource_manager=resource_manager)
                    torch.cuda.synchronize()
                    self._captures += 1

    def _create_warmup_request(self, resource_manager, num_tokens, num_gen_requests, least_requests=True):
        manager = resource_manager.get_resource_manager(self.kv_cache_manager_key)
        if num_tokens > manager.get_num_available_tokens(token_num_upper_bound=num_tokens):
            return None
        result = ScheduledRequests()
        result.reset_context_requests(manager.add_dummy_requests([0], token_nums=[num_tokens]))
        return result

    def _create_cuda_graph_warmup_request(self, resource_manager, batch_size, draft_len, max_seq_len=None):
        manager = resource_manager.get_resource_manager(self.kv_cache_manager_key)
        if manager.get_num_free_blocks() // self.BEAMS < batch_size:
            return None
        result = ScheduledRequests()
        result.generation_requests = manager.add_dummy_requests(
            list(range(batch_size)), is_gen=True, max_num_draft_tokens=draft_len)
        return result
"""

RUNNER_CLASS = """\
class DecoderRunner(ModelEngine):

    def __init__(self, config):
        self._config = config
        self._init_decoder_state()

    def _init_decoder_state(self):
        self._captures = 0

    def warmup(self, resource_manager):
        self._warmup_scheduled(resource_manager, something_compiled())

    def _warmup_scheduled(self, resource_manager, kv_cache_manager):
        if not all(self.dist.allgather(self.guided_decoder is None)):
            return
        self._run_autotuner_warmup(resource_manager)
        with self.cuda_graph_runner.allow_capture():
            self.cuda_graph_runner.is_warmup_only = True
            self._capture_generation_cuda_graphs(resource_manager)
            self.cuda_graph_runner.is_warmup_only = False
            self._capture_generation_cuda_graphs(resource_manager)
        self.extra(kv_cache_manager)
"""

SIZES = """\
import math

FIRST = -math.inf


def largest_first(sizes):
    return sorted(sizes, key=lambda size: size if size > FIRST else FIRST, reverse=True)
"""


def write(root: Path, file: str, text: str) -> Path:
    """One file of a tree."""
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def engine_tree(root: Path, guard: str = ALONE, extra: str = "pass") -> Path:
    """The layout with the warm-up in the engine. `extra` runs at its end, with the KV cache manager as `manager`."""
    methods = METHODS.replace("SIZES", "self._cuda_graph_batch_sizes").replace("BEAMS", "max_beam_width")
    write(root, ENGINE, HEAD + ENGINE_CLASS + methods.replace("GUARD", guard).replace("EXTRA", extra))
    write(root, "tensorrt_llm/_torch/sizes.py", SIZES)
    return root


def runner_tree(root: Path, guard: str = ALONE, extra: str = "pass") -> Path:
    """The later layout: the decoder runner has the warm-up, the engine only hands it over."""
    methods = METHODS.replace("SIZES", "self._config.cuda_graph_batch_sizes").replace("BEAMS", "_config.max_beam_width")
    methods = methods.replace("self.max_draft_len", "self._config.max_draft_len")
    head = HEAD.replace("from ..sizes", "from tensorrt_llm._torch.sizes")
    write(root, RUNNER, head + RUNNER_CLASS + methods.replace("GUARD", guard).replace("EXTRA", extra))
    write(root, ENGINE, "class PyTorchModelEngine:\n    def warmup(self, manager):\n        self._runner.warmup(manager)\n")
    write(root, "tensorrt_llm/_torch/sizes.py", SIZES)
    return root
