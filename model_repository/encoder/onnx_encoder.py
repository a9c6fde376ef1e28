"""Run a version's graph with ONNX Runtime: by CUDA, by TensorRT where its libraries are, or on a CPU for dry runs.

The tensors that Triton passes lie in main memory, where ONNX Runtime reads them without a copy before it brings them to
the device.
"""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from runtimes import Unusable, first_line

PROVIDERS = {"ort-cuda": "CUDAExecutionProvider", "ort-tensorrt": "TensorrtExecutionProvider"}


class OnnxEncoder:
    """Graph of a version: token ids in, unit vectors out.

    Attributes:
        name: The runtime, with its version.
        inputs: The names of the graph's inputs.
    """

    def __init__(self, folder: Path, made: Mapping[str, Any]) -> None:
        """Load the graph; the arguments are those of `runtimes.open_encoder`.

        Raises:
            Unusable: ONNX Runtime is not installed, or cannot use the device.
        """
        try:
            import onnxruntime
        except (ImportError, OSError) as error:
            raise Unusable(
                f"onnxruntime cannot be loaded ({first_line(error)}): install the extra gpu-encoder"
            ) from error
        self.inputs: list[str] = made["inputs"]
        self._max_length: int = made["max_length"]
        self.name = f"{made['runtime']} (onnxruntime {onnxruntime.__version__})"
        wanted = _provider(onnxruntime, made) if made["device"] == "cuda" else None
        if wanted is not None and hasattr(onnxruntime, "preload_dlls"):
            # CUDA and cuDNN as packages of PyPI, or those of torch: the loader does not look there by itself.
            onnxruntime.preload_dlls()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        providers = [wanted, "CPUExecutionProvider"] if wanted else ["CPUExecutionProvider"]
        if made["runtime"] == "ort-tensorrt" and wanted:
            providers.insert(1, ("CUDAExecutionProvider", {}))
        try:
            self._session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=providers)
        except Exception as error:  # its errors have no common class of their own
            raise Unusable(f"onnxruntime cannot load the graph on this device ({first_line(error)})") from error
        # Where a provider cannot be loaded, ONNX Runtime says so in its log only and goes on with the next.
        if wanted is not None and self._session.get_providers()[0] != wanted[0]:
            raise Unusable(
                f"onnxruntime {onnxruntime.__version__} could not load its {wanted[0]}: it needs the libraries of CUDA "
                f"{getattr(onnxruntime, 'cuda_version', '')} (install the extra gpu-encoder), a driver that is new "
                "enough for it, and a GPU that nvidia-smi lists"
            )

    def start(self, tensors: Mapping[str, Any]) -> Any:
        """Return the vectors of int64 tensors [rows, length], which are finished already."""
        feed = {name: _array(tensors[name]) for name in self.inputs}
        return self._session.run(["embedding"], feed)[0]

    def finish(self, started: Any) -> Any:
        """Return the vectors."""
        return np.ascontiguousarray(started, np.float32)

    def warm_up(self) -> None:
        """Run one short row and full batches of the usual lengths."""
        lengths = sorted({min(length, self._max_length) for length in (16, 128, self._max_length)})
        for rows, length in [(1, lengths[0]), *((16, length) for length in lengths)]:
            self.finish(self.start(dict.fromkeys(self.inputs, np.ones((rows, length), np.int64))))


def _array(tensor: Any) -> Any:
    return tensor.as_numpy() if hasattr(tensor, "as_numpy") else tensor


def _provider(onnxruntime: Any, made: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the provider of a runtime with its options.

    Raises:
        Unusable: This build of ONNX Runtime has none, or TensorRT's libraries are missing.
    """
    name = PROVIDERS[made["runtime"]]
    if name not in onnxruntime.get_available_providers():
        raise Unusable(
            f"onnxruntime {onnxruntime.__version__} is built without {name}: install the extra gpu-encoder "
            "(onnxruntime-gpu in place of onnxruntime)"
        )
    if made["runtime"] == "ort-cuda":
        # Shapes differ from run to run: searching for the fastest convolution would only cost time.
        return name, {"cudnn_conv_algo_search": "DEFAULT"}
    if not has_tensorrt():
        raise Unusable("TensorRT's libraries (libnvinfer) are not here: install them, or use another runtime")
    cache = made.get("engine_cache") or "/var/cache/akin/tensorrt"
    os.makedirs(cache, exist_ok=True)
    options = {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": cache,
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": cache,
        **made.get("tensorrt", {}),
    }
    return name, options


def has_tensorrt() -> bool:
    """Return True if TensorRT's library is on this machine, as a package of Python or of the system."""
    if ctypes.util.find_library("nvinfer"):
        return True
    spec = importlib.util.find_spec("tensorrt_libs")
    if spec is None or not spec.submodule_search_locations:
        return False
    found = [path for folder in spec.submodule_search_locations for path in Path(folder).glob("libnvinfer.so*")]
    for path in found:
        ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    return bool(found)
