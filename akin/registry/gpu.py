"""The model `encoder`, which does `text_encoder`'s arithmetic on a GPU: its configuration and TensorRT's profiles.

`text_encoder` cuts its work into runs of a few padded lengths and numbers of rows. TensorRT
chooses its kernels for one shape of a profile, so a native plan gets a profile for each of a few ranges of length. ONNX
Runtime's TensorRT provider builds several profiles and then only ever uses the first, so there one profile spans all.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from akin.errors import EncoderError
from akin.settings import Settings
from akin.training_environment import run_in_training
from storage.durable import replace_file

INNER_MODEL = "encoder"
RUNTIMES = ("tensorrt", "cuda", "plan")
"""ONNX Runtime with TensorRT, ONNX Runtime with CUDA, or an engine that was built beforehand."""

FIRST_LENGTH = 16
"""Where the first range of lengths ends, in tokens: short queries."""

MAX_ROWS = 64
"""As in `text_encoder`'s packing.py; a test holds them together."""

USUAL_LENGTH = 128
"""Of an abstract in tokens, rounded to a step: what one profile for all lengths is tuned to."""

ENGINE_CACHE = "/var/cache/akin/tensorrt"
PLAN = "model.plan"
ARGUMENTS = "trtexec.args"


@dataclass(frozen=True)
class OptimizationProfile:
    """A range of shapes, (rows, length) each.

    Attributes:
        low: the least shape.
        best: the one that kernels are chosen for.
        high: the greatest.
    """

    low: tuple[int, int]
    best: tuple[int, int]
    high: tuple[int, int]


def profiles(max_length: int, max_rows: int = MAX_ROWS) -> list[OptimizationProfile]:
    """A profile for each doubling of length up to `max_length`; together they hold every run there can be.

    Kernels are chosen for the longest length of each with half of the rows: what bulk work is made of.
    """
    ends = []
    end = FIRST_LENGTH
    while end < max_length:
        ends.append(end)
        end *= 2
    ends.append(max_length)
    starts = [1, *(end + 1 for end in ends)]
    return [
        OptimizationProfile((1, start), (max(1, max_rows // 2), end), (max_rows, end))
        for start, end in zip(starts, ends, strict=False)
    ]


def spanning_profile(max_length: int, max_rows: int = MAX_ROWS) -> OptimizationProfile:
    """The one profile that holds every run there can be."""
    best = (max(1, max_rows // 2), min(USUAL_LENGTH, max_length))
    return OptimizationProfile((1, 1), best, (max_rows, max_length))


def shapes(inputs: Sequence[str], shape: tuple[int, int]) -> str:
    """One shape for every input, as TensorRT's options want it: `input_ids:32x128,attention_mask:32x128`."""
    return ",".join(f"{name}:{shape[0]}x{shape[1]}" for name in inputs)


def config(runtime: str, inputs: Sequence[str], dim: int, max_length: int, *, engine_cache: str = ENGINE_CACHE) -> Any:
    """The configuration of `encoder`, as Triton's own message, `inference.ModelConfig`.

    Args:
        runtime: of `RUNTIMES`.
        inputs: the graph's.
        dim: of a vector.
        max_length: tokens that the version reads.
        engine_cache: a folder, as the server sees it, that keeps built engines from one start to the next.
    """
    from tritonclient.grpc import model_config_pb2

    made = model_config_pb2.ModelConfig(
        name=INNER_MODEL,
        backend="tensorrt" if runtime == "plan" else "onnxruntime",
        # text_encoder makes the batches; Triton would have to be told of a dimension that no request leaves open.
        max_batch_size=0,
        default_model_filename=PLAN if runtime == "plan" else "model.onnx",
        input=[
            model_config_pb2.ModelInput(name=name, data_type=model_config_pb2.TYPE_INT64, dims=[-1, -1])
            for name in inputs
        ],
        output=[model_config_pb2.ModelOutput(name="embedding", data_type=model_config_pb2.TYPE_FP32, dims=[-1, dim])],
    )
    group = made.instance_group.add(count=1, kind=model_config_pb2.ModelInstanceGroup.KIND_GPU)
    if runtime == "plan":
        group.profile.extend(str(number) for number in range(len(profiles(max_length))))
    elif runtime == "tensorrt":
        profile = spanning_profile(max_length)
        accelerator = made.optimization.execution_accelerators.gpu_execution_accelerator.add(name="tensorrt")
        options = {
            "precision_mode": "FP16",
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": engine_cache,
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": engine_cache,
            "trt_profile_min_shapes": shapes(inputs, profile.low),
            "trt_profile_opt_shapes": shapes(inputs, profile.best),
            "trt_profile_max_shapes": shapes(inputs, profile.high),
        }
        for key, value in options.items():
            accelerator.parameters[key] = value
    return made


def trtexec_arguments(inputs: Sequence[str], max_length: int) -> list[str]:
    """What `trtexec` is told of profiles, beside the files."""
    found = []
    for number, profile in enumerate(profiles(max_length)):
        found.append(f"--profile={number}")
        for name, shape in (("min", profile.low), ("opt", profile.best), ("max", profile.high)):
            found.append(f"--{name}Shapes={shapes(inputs, shape)}")
    return found


def make(
    settings: Settings,
    version: int,
    runtime: str,
    texts: Path,
    *,
    source: str | None = None,
    engine_cache: str = ENGINE_CACHE,
) -> tuple[dict[str, Any], list[Path]]:
    """Makes a version's graph in FP16 and the files that go with it.

    Args:
        settings: where the model repository and the training environment are.
        version: its number; it has to be there.
        runtime: of `RUNTIMES`.
        texts: papers that parity is measured on.
        source: the model that the version was made from; None is the one that its manifest tells.
        engine_cache: as in `config`.

    Returns:
        What `training.compression.gpu` answered of the graph, and the files beside it.

    Raises:
        NotSetUp: There is no training environment.
        EncoderError: It failed or refused, or a file cannot be written.
    """
    arguments = ["--repository", str(settings.repository), "--version", str(version), "--texts", str(texts)]
    arguments += ["--runtime", "cuda" if runtime == "cuda" else "tensorrt"]
    arguments += ["--source", source] if source else []
    made = run_in_training(settings, "compression.gpu", arguments, "the model repository is as it was")
    return made, write(settings.repository, made, runtime, engine_cache=engine_cache)


def write(repository: Path, made: dict[str, Any], runtime: str, *, engine_cache: str = ENGINE_CACHE) -> list[Path]:
    """Writes `encoder/config.pbtxt` and, for a plan, the arguments it is built with.

    Args:
        repository: Triton's model repository.
        made: what `training.compression.gpu` answered of the graph.
        runtime: of `RUNTIMES`.
        engine_cache: as in `config`.

    Returns:
        The files.

    Raises:
        EncoderError: One of them cannot be written.
    """
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    message = config(runtime, made["inputs"], made["dim"], made["max_length"], engine_cache=engine_cache)
    head = f"# Made by `akin encoder gpu {made['version']} --runtime {runtime}`; made anew, not edited.\n"
    text = head + text_format.MessageToString(message)
    # What is read back by Triton's own schema is what was meant, or nothing is written.
    if text_format.Parse(text, model_config_pb2.ModelConfig()) != message:
        raise EncoderError(
            f"the configuration of {INNER_MODEL} does not survive being written down; nothing was written."
        )
    files = {repository / INNER_MODEL / "config.pbtxt": text}
    if runtime == "plan":
        lines = "\n".join(trtexec_arguments(made["inputs"], made["max_length"]))
        files[repository / INNER_MODEL / str(made["version"]) / ARGUMENTS] = f"{lines}\n"
    for path, content in files.items():
        try:
            replace_file(path, content.encode())
        except OSError as error:
            raise EncoderError(f"cannot write {path}: {error.strerror}.") from error
    return list(files)


def missing_steps(repository: Path, version: int, runtime: str) -> list[str]:
    """What stands between the files and a GPU that serves them, each with the next step; empty where nothing does."""
    found = []
    if shutil.which("nvidia-smi") is None:
        found.append("there is no NVIDIA driver here (no nvidia-smi): serve the repository on a machine with a GPU.")
    if runtime == "plan" and not (repository / INNER_MODEL / str(version) / PLAN).is_file():
        found.append(
            f"the engine is not built; on the machine that serves: deploy/tensorrt/build-plan {repository} {version}"
        )
    return found
