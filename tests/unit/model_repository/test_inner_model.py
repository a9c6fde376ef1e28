"""Test the inner model `encoder` with stand-ins for Triton's module, its tensors and ONNX Runtime."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[3] / "model_repository/encoder"
OURS = ("model", "runtimes", "onnx_encoder", "torch_encoder", "measure")
INPUTS = ["input_ids", "attention_mask"]
MADE = {"runtime": "ort-cuda", "device": "cuda", "inputs": INPUTS, "dim": 4, "max_length": 32}


class TritonError(Exception):
    """Error of one request."""


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let the files be imported by their names, as in the server's Python."""
    utils: Any = ModuleType("triton_python_backend_utils")
    utils.TritonError = TritonError
    utils.Logger = SimpleNamespace(log_info=lambda message: None)
    utils.Tensor = lambda name, values: (name, values)
    utils.InferenceResponse = lambda tensors, error=None: SimpleNamespace(tensors=dict(tensors), error=error)
    utils.get_input_tensor_by_name = lambda request, name: SimpleNamespace(as_numpy=lambda: request[name])
    before = {name: sys.modules.pop(name, None) for name in OURS}
    monkeypatch.setitem(sys.modules, utils.__name__, utils)
    monkeypatch.syspath_prepend(str(FOLDER))
    yield FOLDER
    for name in OURS:
        sys.modules.pop(name, None)
        if before[name] is not None:
            sys.modules[name] = before[name]


class Session:
    """Stands for a session: the vector of a row is one-hot at its number of tokens, and a token 13 fails."""

    def __init__(self, path: Path, options: Any, providers: list[Any]) -> None:
        self.providers = providers

    def get_providers(self) -> list[str]:
        return [each if isinstance(each, str) else each[0] for each in self.providers]

    def run(self, outputs: list[str], feed: dict[str, Any]) -> list[Any]:
        if (feed["input_ids"] == 13).any():
            raise RuntimeError("CUDA failure 700: an illegal memory access\n at line 5")
        return [np.eye(4, dtype=np.float32)[np.minimum(feed["attention_mask"].sum(axis=1), 3)]]


@pytest.fixture
def onnxruntime(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stand for an onnxruntime-gpu whose providers can be loaded."""
    module: Any = ModuleType("onnxruntime")
    module.__version__, module.cuda_version = "1.31", "13.0"
    module.loaded = []
    module.preload_dlls = lambda: module.loaded.append("CUDA")
    module.SessionOptions = SimpleNamespace
    module.get_available_providers = lambda: ["TensorrtExecutionProvider", "CUDAExecutionProvider"]
    module.InferenceSession = Session
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    return module


def test_a_request_that_fails_leaves_the_others(code: Path, onnxruntime: Any, tmp_path: Path) -> None:
    import model

    (tmp_path / "1").mkdir()
    (tmp_path / "1/made.json").write_text(json.dumps(MADE))
    served = model.TritonPythonModel()
    served.initialize({"model_repository": str(tmp_path), "model_version": "1"})
    assert onnxruntime.loaded == ["CUDA"]
    ids = np.array([[1, 2, 3], [1, 2, 0]])
    good = {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64)}
    bad = {**good, "input_ids": ids + 10}
    first, failed, last = served.execute([good, bad, good])
    np.testing.assert_array_equal(first.tensors["embedding"], np.eye(4)[[3, 2]])
    np.testing.assert_array_equal(last.tensors["embedding"], first.tensors["embedding"])
    assert str(failed.error) == "CUDA failure 700: an illegal memory access"
    served.finalize()


def test_a_provider_that_cannot_be_used_is_named_with_the_next_step(
    code: Path, onnxruntime: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx_encoder
    from runtimes import Unusable, open_encoder

    # ONNX Runtime says so in its log only, and goes on with the CPU.
    monkeypatch.setattr(Session, "get_providers", lambda self: ["CPUExecutionProvider"])
    with pytest.raises(Unusable, match=r"could not load its CUDAExecutionProvider.*of CUDA 13\.0.*gpu-encoder.*driver"):
        open_encoder(tmp_path, MADE)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(Unusable, match="built without CUDAExecutionProvider: install the extra gpu-encoder"):
        open_encoder(tmp_path, MADE)
    open_encoder(tmp_path, {**MADE, "device": "cpu"}).warm_up()

    def refuses(*_: Any, **__: Any) -> Any:
        raise RuntimeError("Load model failed\nmore")

    monkeypatch.setattr(onnxruntime, "InferenceSession", refuses)
    with pytest.raises(Unusable, match=r"cannot load the graph on this device \(RuntimeError: Load model failed\)"):
        open_encoder(tmp_path, {**MADE, "device": "cpu"})
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(Unusable, match="onnxruntime cannot be loaded"):
        open_encoder(tmp_path, MADE)
    assert onnx_encoder.PROVIDERS.keys() == {"ort-cuda", "ort-tensorrt"}


def test_tensorrt_is_used_where_its_libraries_are(
    code: Path, onnxruntime: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx_encoder
    from runtimes import Unusable, open_encoder

    cache = tmp_path / "engines"
    made = {**MADE, "runtime": "ort-tensorrt", "engine_cache": str(cache), "tensorrt": {"trt_profile_min_shapes": "a"}}
    monkeypatch.setattr(onnx_encoder.ctypes.util, "find_library", lambda name: None)
    with pytest.raises(Unusable, match=r"TensorRT's libraries \(libnvinfer\) are not here"):
        open_encoder(tmp_path, made)
    monkeypatch.setattr(onnx_encoder.ctypes.util, "find_library", lambda name: f"lib{name}.so.10")
    (name, options), second, last = open_encoder(tmp_path, made)._session.providers  # type: ignore[attr-defined]
    assert (name, second[0], last) == ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
    assert (options["trt_engine_cache_path"], options["trt_profile_min_shapes"]) == (str(cache), "a")
    assert cache.is_dir()


def test_packages_beside_the_servers_come_behind_them(
    code: Path, onnxruntime: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runtimes import open_encoder

    monkeypatch.setattr(sys, "path", list(sys.path))
    open_encoder(tmp_path, {**MADE, "packages": str(tmp_path)})
    open_encoder(tmp_path, {**MADE, "packages": str(tmp_path)})
    assert sys.path.count(str(tmp_path)) == 1
    assert sys.path[-1] == str(tmp_path)


def test_a_measurement_has_rates_and_cosines_or_the_reason(code: Path, onnxruntime: Any, tmp_path: Path) -> None:
    from measure import measure

    ids = np.tile([1, 2, 0], (70, 1))
    mask = (ids > 0).astype(np.int64)
    np.savez(tmp_path / "probe.npz", input_ids=ids, attention_mask=mask, vectors=np.eye(4, dtype=np.float32)[[2] * 70])
    found = measure(tmp_path, {**MADE, "inputs": [*INPUTS, "token_type_ids"]}, seconds=0.01)
    assert (found["mean_cosine"], found["min_cosine"], found["tokens_per_text"]) == (1.0, 1.0, 2.0)
    assert found["texts_per_second"] > 0
    assert found["one_text_ms"] > 0
    np.savez(tmp_path / "probe.npz", input_ids=ids + 12, attention_mask=mask, vectors=np.zeros((70, 4), np.float32))
    assert measure(tmp_path, MADE, seconds=0.01) == {
        "runtime": "ort-cuda",
        "unusable": "it failed: RuntimeError: CUDA failure 700: an illegal memory access",
    }


def test_a_torch_that_cannot_be_loaded_is_named_with_the_next_step(
    code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runtimes import Unusable, open_encoder

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(Unusable, match=r"torch cannot be loaded .*: install its build for this machine.*--packages"):
        open_encoder(tmp_path, {**MADE, "runtime": "torch"})


def test_vectors_of_torch_leave_by_dlpack_and_those_of_numpy_as_they_are(
    code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import model

    class Tensor:
        """Stands for Triton's tensor."""

        def __init__(self, name: str, values: Any) -> None:
            self.made = ("array", name, values)

        @classmethod
        def from_dlpack(cls, name: str, values: Any) -> Tensor:
            made = cls(name, values)
            made.made = ("DLPack", name, values)
            return made

    monkeypatch.setattr(model.pb_utils, "Tensor", Tensor)
    monkeypatch.setattr(model.pb_utils, "InferenceResponse", lambda tensors, error=None: tensors)
    served = model.TritonPythonModel()
    array, of_torch = np.eye(2, dtype=np.float32), object()
    served.encoder = SimpleNamespace(finish=lambda started: started)
    assert [each.made for each in served.answer(array)] == [("array", "embedding", array)]
    assert [each.made for each in served.answer(of_torch)] == [("DLPack", "embedding", of_torch)]
