"""Export a folder of weights as a version, and run it by its own code."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from training.compression import quantize
from training.compression.compress import Compression
from training.encoders import version_encoders
from training.errors import ParityError, SourceError
from training.registry import export
from training.registry.manifest import encoder_digest

pytestmark = [
    pytest.mark.integration,
    # Warnings of libraries about their own code.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def run_export(source: Path, papers: Path, repository: Path, **options: Any) -> dict[str, Any]:
    return export.export(
        str(source), calibration_papers=papers, repository=repository,
        mapping="id=id,title=title,abstract=abstract", **options,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_a_model_becomes_a_version_with_nearly_the_same_vectors(
    kind: str, tiny_model: Callable[[str], Path], papers: Path, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    folder = tiny_model(kind)
    made = run_export(folder, papers, tmp_path)

    assert (made["version"], made["promoted"], made["dim"], made["max_length"]) == (1, True, 32, 48)
    version = tmp_path / "text_encoder" / "1"
    files = {
        "model.onnx",
        "tokenizer.json",
        "manifest.json",
        "bulk.py",
        "inner.py",
        "model.py",
        "packing.py",
        "runtime.py",
    }
    assert {path.name for path in version.iterdir()} == files
    written = json.loads((version / "manifest.json").read_text())
    assert written["digest"] == encoder_digest(
        written["files"]["model.onnx"]["sha256"], written["files"]["tokenizer.json"]["sha256"], 48, 1
    )
    graph = onnx.load(version / "model.onnx").graph
    assert [value.name for value in graph.output] == ["embedding"]
    assert [value.name for value in graph.input] == written["graph"]["inputs"]
    assert any(node.op_type == "QuantizeLinear" for node in graph.node)

    # Texts that were not used in the export, some longer and some shorter, encoded by the code that serves.
    texts = ["baran", "cesel ditin fovox " * 40, "haran Jelyr", "?"]
    true = SentenceTransformer(str(folder), device="cpu").encode(texts, normalize_embeddings=True)
    for encode in version_encoders(version).values():
        found = encode(texts)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
        assert (found * true).sum(axis=1).min() > 0.98
    assert set(written["parity"]["runtimes"]) == {
        name for name in ("onnxruntime", "openvino") if importlib.util.find_spec(name)
    }


def test_a_quantiser_that_spoils_the_model_publishes_nothing(
    tiny_model: Callable[[str], Path], papers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(plain: onnx.ModelProto, *_: Any) -> onnx.ModelProto:
        model = onnx.ModelProto()
        model.CopyFrom(plain)
        weight = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
        value = numpy_helper.to_array(weight)
        noise = np.random.default_rng(0).normal(size=value.shape).astype(np.float32)
        weight.CopyFrom(numpy_helper.from_array(value + noise, weight.name))
        return model

    monkeypatch.setattr(quantize, "quantize", spoil)
    with pytest.raises(ParityError, match=r"nothing was published.*mean cosine"):
        run_export(tiny_model("bert"), papers, tmp_path, how=Compression("int8"))
    assert not (tmp_path / "text_encoder").exists()
    made = run_export(tiny_model("bert"), papers, tmp_path)
    assert made["recipe"]["precision"] == "FP16"
    assert "the mean cosine to the original is" in made["recipe"]["instead_of"]["INT8"]


def test_an_incomplete_model_folder_is_refused(
    tiny_model: Callable[[str], Path], papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_model("bert")
    (folder / "config.json").unlink()
    with pytest.raises(SourceError, match="cannot be loaded"):
        run_export(folder, papers, tmp_path)
    assert not (tmp_path / "text_encoder").exists()


def test_the_command_prints_json_and_nothing_else(
    tiny_model: Callable[[str], Path], papers: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--source", str(tiny_model("bert")), "--calibration", str(papers), "--repository", str(tmp_path)]
    assert export.main([*arguments, "--map", "id=id,title=title,abstract=abstract", "--json"]) == 0
    shown = capfd.readouterr()
    made = json.loads(shown.out)
    assert made["parity"]["mean_cosine"] >= 0.995
    assert "quantising to INT8" in shown.err
