from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from akin import sample
from akin.registry import gpu_first

MADE = {"version": 1, "digest": "d" * 64, "inputs": ["input_ids", "attention_mask"], "dim": 384, "max_length": 256}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a promoted version, a sample, and a training command that records its arguments."""
    models = tmp_path / "models"
    (models / "text_encoder" / "1").mkdir(parents=True)
    (models / "text_encoder" / "1" / "manifest.json").write_text(json.dumps({"digest": MADE["digest"]}))
    (models / "text_encoder" / "PROMOTED").write_text("1\n")
    room = tmp_path / "python"
    room.write_text(
        f"#!{sys.executable}\nimport json, pathlib, sys\n"
        f"pathlib.Path({str(tmp_path / 'asked')!r}).write_text(json.dumps(sys.argv[1:]))\n"
        f"made = {MADE!r} | {{'runtime': sys.argv[-1], 'folder': '', 'parity': {{'mean_cosine': 0.99995}}}}\n"
        f"folder = pathlib.Path({str(models / 'encoder' / '1')!r})\n"
        "folder.mkdir(parents=True, exist_ok=True)\n"
        "(folder / 'made.json').write_text(json.dumps(made))\nprint(json.dumps(made))\n"
    )
    room.chmod(0o755)
    for name, value in {"DATA": tmp_path / "data", "MODEL_REPOSITORY": models, "TRAINING_PYTHON": room}.items():
        monkeypatch.setenv(f"AKIN_{name}", str(value))
    monkeypatch.delenv("AKIN_GPU_RUNTIME", raising=False)
    monkeypatch.setattr(sample, "fetch_sample", lambda folder: folder / "sample.json")
    return models


def test_it_is_made_once_with_a_configuration_and_kept(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gpu_first.main() == 0
    assert "version 1 of encoder is made, for tensorrt (mean cosine to FP32 0.99995)" in capsys.readouterr().err
    asked = json.loads((tmp_path / "asked").read_text())
    assert asked[:4] == ["-P", "-m", "training.compression.gpu", "--json"]
    assert asked[asked.index("--texts") + 1] == str(tmp_path / "data" / "corpora" / "sample.json")
    config = repository / "encoder" / "config.pbtxt"
    assert text_format.Parse(config.read_text(), model_config_pb2.ModelConfig()).name == "encoder"

    (tmp_path / "asked").unlink()
    config.unlink()  # as after a kill between the graph and its configuration
    assert gpu_first.main() == 0
    assert "version 1 of encoder is already made, for tensorrt" in capsys.readouterr().err
    assert not (tmp_path / "asked").exists()
    assert config.is_file()


def test_another_runtime_or_encoder_is_made_again(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gpu_first.main() == 0
    (tmp_path / "asked").unlink()
    monkeypatch.setenv("AKIN_GPU_RUNTIME", "cuda")
    assert gpu_first.main() == 0
    assert json.loads((tmp_path / "asked").read_text())[-1] == "cuda"
    (tmp_path / "asked").unlink()
    (repository / "text_encoder" / "1" / "manifest.json").write_text(json.dumps({"digest": "e" * 64}))
    assert gpu_first.main() == 0
    assert (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    ("name", "value", "code", "line"),
    [
        ("AKIN_GPU_RUNTIME", "plan", 2, "AKIN_GPU_RUNTIME is 'plan': it must be 'tensorrt' or 'cuda'."),
        ("AKIN_MODEL_REPOSITORY", "/nowhere", 4, "no encoder in /nowhere"),
        ("AKIN_TRAINING_PYTHON", "/nowhere/python", 3, "no training environment at /nowhere/python"),
    ],
)
def test_a_failure_is_reported_in_one_line_with_an_exit_code(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    name: str, value: str, code: int, line: str,
) -> None:  # fmt: skip
    monkeypatch.setenv(name, value)
    assert gpu_first.main() == code
    told = capsys.readouterr().err
    assert line in told
    assert told.count("\n") == 1


def test_a_data_folder_that_cannot_be_written_is_reported(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(folder: Path) -> Path:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(sample, "fetch_sample", refuse)
    assert gpu_first.main() == 6
    assert "cannot write" in capsys.readouterr().err
    assert not (repository / "encoder").exists()
