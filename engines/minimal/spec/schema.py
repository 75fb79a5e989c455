"""The sections `config` and `guards` of a scenario for the minimal engine: TensorRT-LLM's own keys, and upstream states.

Read by the harness only; ranks get the result as plain JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, create_model, model_validator

from lockstep.engines.minimal.spec.points import Point
from lockstep.engines.minimal.upstream.refused import refusal
from lockstep.engines.minimal.variants import POINTS
from lockstep.harness.engine_api import Section

Guard = Literal["none", "assert", "agree", "sync-skip", "fail-stop"]
PHASES = ("attention", "general", "autotuner", "generation_capture", "prefill_capture", "memory_pool")

# Which phases an upstream state has, and how each is guarded. Sources: the pull requests named.
PRESETS: dict[str, dict[str, Guard]] = {
    # Before NVIDIA/TensorRT-LLM#14126 every rank decided alone.
    "trtllm-before-14126": {
        "general": "none", "autotuner": "none", "generation_capture": "none", "prefill_capture": "none",
        "memory_pool": "none",
    },
    # #14126 asserts where warm-up requests are made; graph capture has its own path and was left out.
    "trtllm-14126": {
        "general": "assert", "autotuner": "assert", "generation_capture": "none", "prefill_capture": "none",
        "memory_pool": "assert",
    },
    # #14986 proposed the same for generation graphs.
    "trtllm-14986": {
        "general": "assert", "autotuner": "assert", "generation_capture": "assert", "prefill_capture": "none",
        "memory_pool": "assert",
    },
    # After #17667 and its follow-up: agreement over the world; generation graphs still unguarded.
    "trtllm-main": {
        "attention": "agree", "general": "agree", "autotuner": "agree", "generation_capture": "none",
        "prefill_capture": "assert", "memory_pool": "agree",
    },
}  # fmt: skip

ELSEWHERE = {
    "tensor_parallel_size": "parallel.tp",
    "pipeline_parallel_size": "parallel.pp",
    "moe_expert_parallel_size": "parallel.ep",
    "enable_attention_dp": "parallel.attention_dp",
}


class Upstream(Section):
    """A section with TensorRT-LLM's own name, in which its other keys are refused with a word. `home`: its name."""

    home: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _known_elsewhere(cls, raw: Any) -> Any:
        """Say of upstream's keys why they are refused, instead of `unknown`."""
        for key in raw if isinstance(raw, dict) else ():
            if not cls.home and key in ELSEWHERE:
                raise ValueError(f"{key}: belongs to the scenario's `{ELSEWHERE[key]}`")
            if key not in cls.model_fields and (why := refusal(str(key), cls.home)):
                raise ValueError(f"{key}: {why}")
        return raw


class KvCacheConfig(Upstream):
    """`kv_cache_config`."""

    home = "kv_cache_config"

    tokens_per_block: PositiveInt = Field(32, description="tokens that one KV block holds")
    free_gpu_memory_fraction: float = Field(0.9, gt=0, lt=1, description="of what `ballast_bytes` leaves")
    max_tokens: PositiveInt | None = Field(None, description="upper limit of the pool, in tokens")
    enable_block_reuse: bool = Field(False, description="keep the blocks of a prompt for one that begins like it")
    host_blocks: NonNegativeInt | list[NonNegativeInt] = Field(
        0, description="KV blocks in host memory; a list: of each rank"
    )
    prefetch: bool = Field(False, description="ranks follow the prefetch of waiting prompts into the host tier")


class CudaGraphConfig(Upstream):
    """`cuda_graph_config`."""

    home = "cuda_graph_config"

    batch_sizes: list[PositiveInt] | None = Field(None, description="sizes to capture; default: powers of two")
    max_batch_size: PositiveInt | None = Field(None, description="largest size to capture")
    enable_padding: bool = Field(False, description="pad a batch up to the next captured size")


class SpeculativeConfig(Upstream):
    """`speculative_config`: multi-token prediction."""

    home = "speculative_config"

    decoding_type: Literal["MTP"]
    num_nextn_predict_layers: PositiveInt = Field(1, description="draft tokens a step")
    max_concurrency: PositiveInt | None = Field(None, description="drafts are off above it: graphs of draft length 0 too")


class TorchCompileConfig(Upstream):
    """`torch_compile_config`: prefill (piecewise) graphs."""

    home = "torch_compile_config"

    enable_piecewise_cuda_graph: bool = False
    capture_num_tokens: list[PositiveInt] | None = Field(None, description="token counts to capture")


class MoeConfig(Upstream):
    """`moe_config`: how tokens get to the experts and back."""

    home = "moe_config"

    max_num_tokens: PositiveInt | None = Field(
        None,
        description="tokens of a rank that one dispatch carries, padded; a forward takes as many as its largest rank needs",
    )
    comm_method: Literal["all-to-all", "by-mode"] = Field(
        "all-to-all", description="by-mode: graphs hold all-to-alls, eager forwards sum a buffer of all ranks' tokens"
    )


class DataPlaneTimeout(Section):
    """`data_plane_timeout_s`: the library's own deadline for a tensor collective, by stage."""

    warm_up: PositiveFloat | None = Field(None, description="in the warm-up")
    serve: PositiveFloat | None = Field(None, description="while requests are decoded")


class ModelKwargs(Section):
    """`model_kwargs`: DeepSeek's names for where a layer has experts."""

    first_k_dense_replace: NonNegativeInt = Field(0, description="so many first layers have no experts")
    moe_layer_freq: PositiveInt = Field(1, description="of the others, every so many layers one has experts")


class ZeroOptimization(Section):
    """`zero_optimization`: DeepSpeed's; 3 is ZeRO-3."""

    stage: Literal[0, 3] = Field(0, description="3: parameters are partitioned; `generate` decodes instead of the executor")


class Config(Upstream):
    """The engine's settings, with TensorRT-LLM's names."""

    max_batch_size: PositiveInt = Field(8, description="requests in a batch, on each rank under attention DP")
    max_seq_len: PositiveInt = Field(256, description="tokens of a request, prompt and output")
    max_num_tokens: PositiveInt = Field(512, description="tokens in a batch")
    max_beam_width: Literal[1] = 1
    kv_cache_config: KvCacheConfig = KvCacheConfig()
    cuda_graph_config: CudaGraphConfig | None = None
    speculative_config: SpeculativeConfig | None = None
    guided_decoding_backend: Literal["xgrammar", "llguidance"] | None = Field(
        None, description="a guided decoder; as upstream it turns the general warm-up off"
    )
    enable_autotuner: bool = True
    enable_chunked_prefill: bool = Field(False, description="a prompt may be computed over several steps")
    autotuner_cache: Literal["memory", "rank-file", "first-rank-file"] = Field(
        "memory", description="where tactics are kept: in the process, in a file of each rank, in one that rank 0 writes"
    )
    compile_cache: Literal["memory", "rank-file"] = Field(
        "memory", description="where what was compiled is kept: in the process, or in a file of each rank"
    )
    estimate_kv_cache: bool = Field(
        False, description="warm up twice, as upstream: first with a small KV cache, to estimate how much there is room for"
    )
    moe_workspace_bytes: NonNegativeInt = Field(
        0, description="memory that the experts take for each token between dispatch and combine"
    )
    data_plane_timeout_s: DataPlaneTimeout = DataPlaneTimeout()
    step_broadcast_timeout_s: PositiveFloat = Field(60.0, description="of the broadcast that `step_broadcast` asks for")
    hang_detection_timeout: PositiveFloat | None = Field(
        None, description="seconds without an executor iteration until the hang detector fires; default: none"
    )
    rank_crash_grace_s: PositiveFloat = Field(1.0, description="seconds from a rank's error until it kills its peers")
    torch_compile_config: TorchCompileConfig | None = None
    moe_config: MoeConfig | None = None
    data_parallel_backend: Literal["mp", "ray", "external_launcher"] | None = Field(
        None, description="vLLM's engine core of a data-parallel rank decodes; default: TensorRT-LLM's executor"
    )
    zero_optimization: ZeroOptimization = ZeroOptimization()
    async_scheduling: bool = Field(False, description="a step is scheduled before the last one's results are known")
    dp_sync_interval: PositiveInt = Field(32, description="steps until engine cores agree on whether any has work")
    model_kwargs: ModelKwargs = ModelKwargs()


class PhaseGuards(Section):
    """What each phase does when ranks disagree; `preset` names an upstream state, phases beside it refine it."""

    preset: Literal["trtllm-before-14126", "trtllm-14126", "trtllm-14986", "trtllm-main"] = "trtllm-main"
    attention: Guard | None = None
    general: Guard | None = None
    autotuner: Guard | None = None
    generation_capture: Guard | None = None
    prefill_capture: Guard | None = None
    memory_pool: Guard | None = None


def _variant_field(point: Point[Any]) -> Any:
    """A key whose value is one of the point's words; the sound one by default."""
    return Literal[tuple(point.variants)], Field(point.sound, description=point.description)


VARIANTS = tuple(point.key for point in POINTS)
if TYPE_CHECKING:

    class Guards(PhaseGuards):
        """The section `guards`: of each phase, and every place at which engines differ."""

else:
    Guards = create_model(
        "Guards",
        __base__=PhaseGuards,
        __doc__="`guards`: of each phase, and every place at which engines differ.",
        **{point.key: _variant_field(point) for point in POINTS},
    )
