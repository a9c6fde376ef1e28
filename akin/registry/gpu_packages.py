"""Prepare a version for a GPU without NVIDIA's image: choose a runtime of packages by measuring those that are here.

The runtimes (`model_repository/encoder`) run in the Python of the embedded server, each measured there in a process of
its own. `made.json` in the version's folder keeps what was measured and what was chosen.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from akin.errors import EncoderError
from akin.registry import gpu
from akin.stack.tritonserver import server_python
from akin.stack_settings import Settings
from akin.storage import gpu as nvidia
from akin.storage.durable import make_folder, replace_file, replace_folder

AUTO = "auto"
RUNTIMES = ("torch", "ort-cuda", "ort-tensorrt")
DEVICES = ("cuda", "cpu")

LEAST_COSINE = 0.9999
"""The least mean cosine to FP32 with which a runtime may be chosen."""

_SECONDS = 600
_NEEDS = {"torch": ("weights",), "ort-cuda": ("model.onnx",), "ort-tensorrt": ("model.onnx",)}
_LEFT_OUT = ("measure.py", "probe.npz")


@dataclass(frozen=True)
class Choice:
    """Comparison of runtimes.

    Attributes:
        runtime: One of `RUNTIMES`, or `AUTO` for the fastest that can be used.
        device: One of `DEVICES`; `cpu` is a dry run.
        packages: A folder of packages for the server's Python, beside its own; None for none.
    """

    runtime: str = AUTO
    device: str = "cuda"
    packages: Path | None = None


def export(
    settings: Settings, version: int, choice: Choice, texts: Path, *, source: str | None = None, engine_cache: str
) -> tuple[dict[str, Any], list[Path]]:
    """Make a version's files for the chosen runtime; return the description and the files beside the folder.

    Args:
        settings: Where the model repository, the server and the training environment are.
        version: The number of an existing version.
        choice: The runtime, or how it is chosen.
        texts: The papers on which parity is measured.
        source: The model that the version was made from; None for the one named in its manifest.
        engine_cache: The folder that keeps TensorRT's engines.

    Raises:
        NotSetUp: There is no training environment.
        EncoderError: No runtime can be used, the export failed, or a file cannot be written. An earlier folder of the
            version, and the configuration, are as before.
    """
    if choice.device == "cuda" and nvidia.driver_version() is None:
        raise EncoderError(
            f"{nvidia.NO_DRIVER}. Without a GPU the encoder serves on the CPU as it is; `--device cpu` tries these "
            "steps without one."
        )
    python = settings.triton_home / "python/bin/python"
    if not python.exists():
        raise EncoderError(f"there is no Python of the embedded server at {python}: run `make setup`.")
    model = settings.repository / gpu.INNER_MODEL
    try:
        make_folder(model)
        aside = tempfile.TemporaryDirectory(prefix=".staging-", dir=model)
    except OSError as error:
        raise EncoderError(f"cannot write into {model}: {error.strerror}.") from error
    # An earlier folder of the version may be in use: it is replaced when a runtime has been chosen, not before.
    with aside:
        made = gpu.export_graph(settings, version, gpu.PACKAGES, texts, source=source, into=Path(aside.name))
        staged = Path(aside.name) / str(version)
        found = measure_all(python, staged, made, choice, engine_cache)
        best = choose(found)
        kept = {**_description(made, best["runtime"], choice, engine_cache), "measured": found}
        _publish(staged, model / str(version), kept)
    files = gpu.write(settings.repository, made, gpu.PACKAGES, engine_cache=engine_cache)
    return {**kept, "folder": str(model / str(version))}, files


def _publish(staged: Path, folder: Path, kept: dict[str, Any]) -> None:
    """Put a version's folder, with what its runtime needs and the description, in the place of an earlier one."""
    try:
        replace_file(staged / "made.json", (json.dumps(kept, indent=1) + "\n").encode())
        for name in _unneeded(kept["runtime"]):
            path = staged / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        replace_folder(staged, folder)
    except OSError as error:
        raise EncoderError(f"cannot write {error.filename or folder}: {error.strerror}.") from error


def measure_all(
    python: Path, folder: Path, made: dict[str, Any], choice: Choice, engine_cache: str
) -> list[dict[str, Any]]:
    """Return what was measured of each runtime, or why it cannot be used."""
    names = RUNTIMES if choice.runtime == AUTO else (choice.runtime,)
    found = []
    for name in names:
        description = _description(made, name, choice, engine_cache)
        found.append(_measure(python, folder, description))
    return found


def _measure(python: Path, folder: Path, description: dict[str, Any]) -> dict[str, Any]:
    command = [str(python), str(folder / "measure.py"), str(folder), json.dumps(description)]
    runtime = description["runtime"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False, cwd=folder)
    except subprocess.TimeoutExpired:
        return {"runtime": runtime, "unusable": f"it was not measured within {_SECONDS} s"}
    try:
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return answer
    except (IndexError, ValueError):
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1][:300]
        return {"runtime": runtime, "unusable": f"its process ended with {done.returncode}: {last}"}


def choose(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the fastest runtime whose vectors are close enough to FP32.

    Raises:
        EncoderError: There is none; the message has the reason for each.
    """
    usable = [each for each in found if each.get("mean_cosine", 0.0) >= LEAST_COSINE]
    if usable:
        return max(usable, key=lambda each: float(each["texts_per_second"]))
    reasons = "; ".join(f"{each['runtime']}: {_reason(each)}" for each in found)
    raise EncoderError(f"no runtime can be used here, and the model {gpu.INNER_MODEL} is as it was before. {reasons}.")


def _reason(each: dict[str, Any]) -> str:
    if "unusable" in each:
        return str(each["unusable"])
    return f"its mean cosine to FP32 is {each['mean_cosine']:.5f}, and at least {LEAST_COSINE} is required"


def server_packages(settings: Settings) -> Path | None:
    """Return the packages of the training environment, with its torch, if the server's Python can import them."""
    version, _ = server_python(settings)
    folder = settings.training_python.parent.parent / f"lib/python{version}/site-packages"
    return folder if (folder / "torch").is_dir() else None


def _description(made: dict[str, Any], runtime: str, choice: Choice, engine_cache: str) -> dict[str, Any]:
    """Return what the runtime reads from `made.json`."""
    kept = {name: value for name, value in made.items() if name != "folder"}
    kept |= {"runtime": runtime, "device": choice.device}
    if choice.packages is not None:
        kept["packages"] = str(choice.packages)
    if runtime == "ort-tensorrt":
        kept |= {"engine_cache": engine_cache, "tensorrt": gpu.profile_options(made["inputs"], made["max_length"])}
    return kept


def _unneeded(runtime: str) -> list[str]:
    others = {name for each, names in _NEEDS.items() for name in names if each != runtime}
    return sorted((others - set(_NEEDS[runtime])) | set(_LEFT_OUT))
