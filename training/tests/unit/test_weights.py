import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from training.errors import SourceError
from training.registry import weights


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Return a folder with a matrix, a vector and positions, as a saved model has them."""
    folder = tmp_path / "base"
    folder.mkdir()
    random = torch.Generator().manual_seed(0)
    tensors = {"w": torch.randn(50, 16, generator=random), "b": torch.randn(16, generator=random)}
    save_file({**tensors, "positions": torch.arange(4)}, folder / weights.MODEL_FILE, metadata={"format": "pt"})
    (folder / "config.json").write_text("{}")
    return folder


def trained(base: Path, folder: Path) -> dict[str, torch.Tensor]:
    """Save the base, moved by about a hundredth, in a folder; one row of the matrix stays as it is."""
    found = load_file(base / weights.MODEL_FILE)
    step = torch.randn(50, 16, generator=torch.Generator().manual_seed(1)) / 100
    step[7] = 0
    moved = {"w": found["w"] + step, "b": found["b"] + 0.01, "positions": found["positions"]}
    folder.mkdir()
    save_file(moved, folder / weights.MODEL_FILE)
    return moved


def test_a_model_is_written_again_from_the_differences(base: Path, tmp_path: Path) -> None:
    moved = trained(base, tmp_path / "tuned")
    file = tmp_path / "tuned.safetensors"
    arguments = [str(tmp_path / "tuned"), str(file), "--base", str(base), "--about", json.dumps({"recipe": "a"})]
    assert weights.main(arguments) == 0
    weights.write_model(file, base, tmp_path / "again")
    found = load_file(tmp_path / "again" / weights.MODEL_FILE)
    assert found["w"].dtype == torch.float32
    assert 0 < (found["w"] - moved["w"]).abs().max() <= 0.04 / 127 / 2
    assert torch.equal(found["w"][7], moved["w"][7])
    assert torch.allclose(found["b"], moved["b"], atol=1e-6)
    assert torch.equal(found["positions"], moved["positions"])
    assert (tmp_path / "again/config.json").read_text() == "{}"


def test_differences_from_another_base_are_refused(base: Path, tmp_path: Path) -> None:
    trained(base, tmp_path / "tuned")
    file = tmp_path / "tuned.safetensors"
    weights.main([str(tmp_path / "tuned"), str(file), "--base", str(base)])
    found = load_file(base / weights.MODEL_FILE)
    save_file({**found, "b": found["b"] + 1}, base / weights.MODEL_FILE)
    with pytest.raises(SourceError, match="another base"):
        weights.write_model(file, base, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_model_of_another_shape_has_no_differences(base: Path) -> None:
    found = load_file(base / weights.MODEL_FILE)
    with pytest.raises(SourceError, match="different weights"):
        weights.compress({"w": found["w"]}, found)


@pytest.mark.parametrize("content", [b"", b"not a file of weights", b"\xff" * 64])
def test_a_damaged_file_is_refused(base: Path, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "damaged.safetensors"
    file.write_bytes(content)
    with pytest.raises(SourceError, match=r"damaged.* cannot be read"):
        weights.write_model(file, base, tmp_path / "again")
