"""Test how a runtime of packages is chosen for a GPU; programs of this test stand for the server's Python."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from akin.errors import EncoderError
from akin.registry import gpu, gpu_packages
from akin.registry.gpu_packages import Choice, choose, export
from akin.stack_settings import Settings
from akin.storage import gpu as nvidia

MADE = {"version": 1, "digest": "d" * 64, "inputs": ["input_ids", "attention_mask"], "dim": 384, "max_length": 256}


def measured(runtime: str, rate: float, cosine: float = 0.99999) -> dict[str, Any]:
    return {
        "runtime": runtime, "device": "cpu", "software": runtime, "texts_per_second": rate, "tokens_per_text": 9.0,
        "one_text_ms": 1.0, "mean_cosine": cosine, "min_cosine": cosine,
    }  # fmt: skip


def test_the_fastest_runtime_that_is_close_enough_is_chosen() -> None:
    found = [measured("torch", 50), {"runtime": "ort-tensorrt", "unusable": "no libraries"}, measured("ort-cuda", 90)]
    assert choose(found)["runtime"] == "ort-cuda"
    found[2]["mean_cosine"] = 0.9998
    assert choose(found)["runtime"] == "torch"
    found[0]["mean_cosine"] = float("nan")
    with pytest.raises(EncoderError, match=r"torch: its mean cosine.*ort-tensorrt: no libraries; ort-cuda: .*0\.99980"):
        choose(found)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Make a server's Python that runs `measure.py` of the version, and a training command that writes its folder."""
    home, models = tmp_path / "triton", tmp_path / "models"
    (home / "python/bin").mkdir(parents=True)
    (home / "python/bin/python").symlink_to(sys.executable)

    def exported(settings: Settings, version: int, runtime: str, texts: Path, *, source: Any, into: Path) -> Any:
        assert runtime == gpu.PACKAGES
        folder = into / str(version)
        (folder / "weights").mkdir(parents=True)
        for name in ("model.onnx", "made.json", "probe.npz", "model.py"):
            (folder / name).write_text("{}")
        rates = {"torch": 10.0, "ort-cuda": 30.0}
        (folder / "measure.py").write_text(
            "import json, sys\nmade = json.loads(sys.argv[2])\n"
            f"rate = {rates!r}.get(made['runtime'])\n"
            f"found = {measured('', 0)!r} | {{'runtime': made['runtime'], 'texts_per_second': rate}}\n"
            "if rate is None: sys.exit('Illegal instruction')\nprint('a library talks')\nprint(json.dumps(found))\n"
        )
        return {**MADE, "folder": str(folder), "runtime": runtime}

    monkeypatch.setattr(gpu, "export_graph", exported)
    return Settings.read(
        {"AKIN_TRITON_HOME": str(home), "AKIN_MODEL_REPOSITORY": str(models), "AKIN_DATA": str(tmp_path / "data")}
    )


def test_auto_measures_every_runtime_and_keeps_the_files_of_the_best(settings: Settings, tmp_path: Path) -> None:
    choice = Choice(device="cpu", packages=tmp_path)
    made, files = export(settings, 1, choice, tmp_path, engine_cache="/engines")
    folder = settings.repository / "encoder/1"
    kept = json.loads((folder / "made.json").read_text())
    assert (made["runtime"], kept["runtime"], kept["device"], kept["packages"]) == (
        "ort-cuda", "ort-cuda", "cpu", str(tmp_path),
    )  # fmt: skip
    assert [each["runtime"] for each in kept["measured"]] == ["torch", "ort-cuda", "ort-tensorrt"]
    assert kept["measured"][2]["unusable"] == "its process ended with 1: Illegal instruction"
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "made.json", "model.py"}
    config = text_format.Parse(files[0].read_text(), model_config_pb2.ModelConfig())
    assert (config.backend, config.default_model_filename) == ("python", "model.py")
    assert [each.kind for each in config.instance_group] == [model_config_pb2.ModelInstanceGroup.KIND_CPU]
    assert [each.name for each in config.input] == MADE["inputs"]


def test_a_named_runtime_is_measured_alone_and_tensorrt_gets_its_shapes(settings: Settings, tmp_path: Path) -> None:
    made, _ = export(settings, 1, Choice("torch", "cpu"), tmp_path, engine_cache="/engines")
    assert [each["runtime"] for each in made["measured"]] == ["torch"]
    folder = settings.repository / "encoder/1"
    assert {path.name for path in folder.iterdir()} == {"weights", "made.json", "model.py"}
    with pytest.raises(EncoderError, match=r"no runtime can be used here.*Illegal instruction"):
        export(settings, 2, Choice("ort-tensorrt", "cpu"), tmp_path, engine_cache="/engines")
    assert not (settings.repository / "encoder/2").exists()
    described = gpu_packages._description(MADE, "ort-tensorrt", Choice(), "/engines")
    assert described["engine_cache"] == "/engines"
    assert described["tensorrt"]["trt_profile_max_shapes"] == "input_ids:64x256,attention_mask:64x256"


def test_an_earlier_version_is_kept_until_a_runtime_was_chosen(settings: Settings, tmp_path: Path) -> None:
    export(settings, 1, Choice("torch", "cpu"), tmp_path, engine_cache="/engines")
    model = settings.repository / "encoder"
    (model / "config.pbtxt").write_text("of another runtime")
    before = {path: path.read_bytes() for path in model.rglob("*") if path.is_file()}
    with pytest.raises(EncoderError, match="no runtime can be used here, and the model encoder is as it was before"):
        export(settings, 1, Choice("ort-tensorrt", "cpu"), tmp_path, engine_cache="/engines")
    assert {path: path.read_bytes() for path in model.rglob("*") if path.is_file()} == before
    assert {path.name for path in model.iterdir()} == {"1", "config.pbtxt"}
    export(settings, 1, Choice("ort-cuda", "cpu"), tmp_path, engine_cache="/engines")
    assert json.loads((model / "1/made.json").read_text())["runtime"] == "ort-cuda"
    assert "python" in (model / "config.pbtxt").read_text()


def test_without_a_driver_or_a_server_one_line_says_what_to_do(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nvidia, "driver_version", lambda: None)
    with pytest.raises(EncoderError, match=r"no NVIDIA driver.*--device cpu") as told:
        export(settings, 1, Choice(), tmp_path, engine_cache="/engines")
    assert "\n" not in str(told.value)
    assert not (settings.repository / "encoder").exists()
    (settings.triton_home / "python/bin/python").unlink()
    with pytest.raises(EncoderError, match=r"no Python of the embedded server.*make setup"):
        export(settings, 1, Choice(device="cpu"), tmp_path, engine_cache="/engines")


def test_packages_are_those_of_training_if_the_release_of_python_is_the_same(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = f"{sys.version_info.major}.{sys.version_info.minor}"
    settings = settings.model_copy(update={"training_python": tmp_path / "training/bin/python"})
    assert gpu_packages.server_packages(settings) is None
    folder = tmp_path / f"training/lib/python{release}/site-packages"
    (folder / "torch").mkdir(parents=True)
    assert gpu_packages.server_packages(settings) == folder
    (settings.triton_home / "python/pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.8.1\n")
    assert gpu_packages.server_packages(settings) is None
