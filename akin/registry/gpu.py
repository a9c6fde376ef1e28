"""Configure the model `encoder`, which runs the graph of `text_encoder` on a GPU, and choose TensorRT's profiles.

`text_encoder` cuts its work into runs of a few padded lengths and numbers of rows. TensorRT chooses its kernels for one
shape of a profile, so a native plan gets one profile for each range of lengths. ONNX Runtime's TensorRT provider only
uses the first of several profiles, so there one profile spans all lengths.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from akin.errors import EncoderError
from akin.registry.versions import CONFIG
from akin.stack_settings import Settings
from akin.storage.durable import replace_file
from akin.training_environment import run_in_training

INNER_MODEL = "encoder"
RUNTIMES = ("tensorrt", "cuda", "plan")
"""Runtimes of NVIDIA's image: ONNX Runtime with TensorRT, with CUDA, or an engine that was built before."""

PACKAGES = "packages"
"""Triton's Python backend with a runtime of packages, which the version's `made.json` names (gpu_packages.py)."""

FIRST_LENGTH = 16
"""The end of the first range of lengths, in tokens: short queries."""

MAX_ROWS = 64
"""The largest number of rows in `text_encoder`'s packing.py; a test compares the two."""

MAX_TOKENS = MAX_ROWS * 512
"""The most tokens in a run of several rows, as in `text_encoder`'s runtime.py: longer rows run in smaller numbers."""

USUAL_LENGTH = 128
"""The length of an abstract in tokens, rounded to a step: one profile for all lengths is tuned to it."""

ENGINE_CACHE = "/var/cache/akin/tensorrt"
PLAN = "model.plan"
ARGUMENTS = "trtexec.args"


@dataclass(frozen=True)
class OptimizationProfile:
    """Range of shapes, each (rows, length).

    Attributes:
        low: The smallest shape.
        best: The shape for which kernels are chosen.
        high: The largest shape.
    """

    low: tuple[int, int]
    best: tuple[int, int]
    high: tuple[int, int]


def profiles(max_length: int, max_rows: int = MAX_ROWS) -> list[OptimizationProfile]:
    """Return one profile for each doubling of length up to `max_length`; together they cover every possible run.

    Kernels are chosen for the longest length of each with half of the rows, which is the usual run of bulk work. Ranges
    above 512 tokens have fewer rows, so that no profile needs more memory than twice `MAX_TOKENS`.
    """
    ends = []
    end = FIRST_LENGTH
    while end < max_length:
        ends.append(end)
        end *= 2
    ends.append(max_length)
    starts = [1, *(end + 1 for end in ends)]
    found = []
    for start, end in zip(starts, ends, strict=False):
        rows = max(1, min(max_rows, MAX_TOKENS // start))
        found.append(OptimizationProfile((1, start), (max(1, rows // 2), end), (rows, end)))
    return found


def spanning_profile(max_length: int, max_rows: int = MAX_ROWS) -> OptimizationProfile:
    """Return one profile that covers every possible run."""
    best = (max(1, max_rows // 2), min(USUAL_LENGTH, max_length))
    return OptimizationProfile((1, 1), best, (max_rows, max_length))


def shapes(inputs: Sequence[str], shape: tuple[int, int]) -> str:
    """Return one shape for every input in the form of TensorRT's options: `input_ids:32x128,attention_mask:32x128`."""
    return ",".join(f"{name}:{shape[0]}x{shape[1]}" for name in inputs)


def config(runtime: str, inputs: Sequence[str], dim: int, max_length: int, *, engine_cache: str = ENGINE_CACHE) -> Any:
    """Return the configuration of `encoder` as Triton's message `inference.ModelConfig`.

    Args:
        runtime: One of `RUNTIMES`, or `PACKAGES`.
        inputs: The names of the graph's inputs.
        dim: The length of a vector.
        max_length: The number of tokens that the version reads.
        engine_cache: The folder, as the server sees it, that keeps built engines between starts.
    """
    from tritonclient.grpc import model_config_pb2

    made = model_config_pb2.ModelConfig(
        name=INNER_MODEL,
        backend={"plan": "tensorrt", PACKAGES: "python"}.get(runtime, "onnxruntime"),
        # text_encoder makes the batches: with a batch size, Triton would add a dimension to every shape.
        max_batch_size=0,
        default_model_filename={"plan": PLAN, PACKAGES: "model.py"}.get(runtime, "model.onnx"),
        input=[
            model_config_pb2.ModelInput(name=name, data_type=model_config_pb2.TYPE_INT64, dims=[-1, -1])
            for name in inputs
        ],
        output=[model_config_pb2.ModelOutput(name="embedding", data_type=model_config_pb2.TYPE_FP32, dims=[-1, dim])],
    )
    # The process of the Python backend uses the GPU itself: Triton must give it tensors in main memory.
    kinds = model_config_pb2.ModelInstanceGroup
    group = made.instance_group.add(count=1, kind=kinds.KIND_CPU if runtime == PACKAGES else kinds.KIND_GPU)
    if runtime == "plan":
        group.profile.extend(str(number) for number in range(len(profiles(max_length))))
    elif runtime == "tensorrt":
        accelerator = made.optimization.execution_accelerators.gpu_execution_accelerator.add(name="tensorrt")
        options = {
            "precision_mode": "FP16",
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": engine_cache,
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": engine_cache,
            **profile_options(inputs, max_length),
        }
        for key, value in options.items():
            accelerator.parameters[key] = value
    return made


def profile_options(inputs: Sequence[str], max_length: int) -> dict[str, str]:
    """Return the options of TensorRT's provider that define the one profile of all shapes."""
    profile = spanning_profile(max_length)
    return {
        "trt_profile_min_shapes": shapes(inputs, profile.low),
        "trt_profile_opt_shapes": shapes(inputs, profile.best),
        "trt_profile_max_shapes": shapes(inputs, profile.high),
    }


def trtexec_arguments(inputs: Sequence[str], max_length: int) -> list[str]:
    """Return the arguments of `trtexec` that define the profiles."""
    found = []
    for number, profile in enumerate(profiles(max_length)):
        found.append(f"--profile={number}")
        for name, shape in (("min", profile.low), ("opt", profile.best), ("max", profile.high)):
            found.append(f"--{name}Shapes={shapes(inputs, shape)}")
    return found


def export_gpu_model(
    settings: Settings,
    version: int,
    runtime: str,
    texts: Path,
    *,
    source: str | None = None,
    engine_cache: str = ENGINE_CACHE,
) -> tuple[dict[str, Any], list[Path]]:
    """Make a version's graph in FP16 and the files beside it.

    Args:
        settings: Where the model repository and the training environment are.
        version: The number of an existing version.
        runtime: One of `RUNTIMES`.
        texts: The papers on which parity is measured.
        source: The model that the version was made from; None for the one named in its manifest.
        engine_cache: As in `config`.

    Returns:
        The answer of `training.compression.gpu` about the graph, and the files beside it.

    Raises:
        NotSetUp: There is no training environment.
        EncoderError: The command failed or refused, or a file cannot be written.
    """
    made = export_graph(settings, version, runtime, texts, source=source)
    return made, write(settings.repository, made, runtime, engine_cache=engine_cache)


def export_graph(
    settings: Settings, version: int, runtime: str, texts: Path, *, source: str | None = None, into: Path | None = None
) -> dict[str, Any]:
    """Make a version's graph in FP16; return the answer of `training.compression.gpu` about it.

    Args:
        settings: Where the model repository and the training environment are.
        version: The number of an existing version.
        runtime: One of `RUNTIMES`, or `PACKAGES`.
        texts: The papers on which parity is measured.
        source: The model that the version was made from; None for the one named in its manifest.
        into: The folder that gets the version's folder; None for that of the model `encoder`.

    Raises:
        NotSetUp: There is no training environment.
        EncoderError: The command failed or refused.
    """
    arguments = ["--repository", str(settings.repository), "--version", str(version), "--texts", str(texts)]
    arguments += ["--runtime", runtime if runtime in ("cuda", PACKAGES) else "tensorrt"]
    arguments += ["--source", source] if source else []
    arguments += ["--into", str(into)] if into else []
    return run_in_training(settings, "compression.gpu", arguments, "the model repository is unchanged")


def write(repository: Path, made: dict[str, Any], runtime: str, *, engine_cache: str = ENGINE_CACHE) -> list[Path]:
    """Write `encoder/config.pbtxt` and, for a plan, the arguments of its build; return these files.

    Args:
        repository: Triton's model repository.
        made: The answer of `training.compression.gpu` about the graph.
        runtime: One of `RUNTIMES`, or `PACKAGES`.
        engine_cache: As in `config`.

    Raises:
        EncoderError: One of them cannot be written.
    """
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    message = config(runtime, made["inputs"], made["dim"], made["max_length"], engine_cache=engine_cache)
    head = f"# Made by `akin encoder gpu {made['version']} --runtime {runtime}`; do not edit.\n"
    text = head + text_format.MessageToString(message)
    # Check with Triton's own schema that the text means the same as the message.
    if text_format.Parse(text, model_config_pb2.ModelConfig()) != message:
        raise EncoderError(
            f"the configuration of {INNER_MODEL} cannot be written as text without loss; nothing was written."
        )
    files = {repository / INNER_MODEL / CONFIG: text}
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
    """Return the steps that are missing before a GPU can serve the files; empty if none is."""
    found = []
    if shutil.which("nvidia-smi") is None:
        found.append("this machine has no NVIDIA driver (no nvidia-smi): serve the repository on a machine with a GPU.")
    if runtime == "plan" and not (repository / INNER_MODEL / str(version) / PLAN).is_file():
        found.append(
            f"the engine is not built; on the machine that serves: deploy/tensorrt/build-plan {repository} {version}"
        )
    return found
