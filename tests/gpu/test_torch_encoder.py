"""Compare the torch runtime with sentence-transformers on a tiny model; on a GPU where there is one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed here; `make gpu-check` runs these tests")

from benchmarks.gpu_check.served import TorchEncoder  # noqa: E402
from benchmarks.gpu_check.texts import compose_texts  # noqa: E402
from benchmarks.gpu_check.tiny import LENGTH, make_tiny_model  # noqa: E402

pytestmark = pytest.mark.gpu
DEVICE = os.environ.get("AKIN_GPU_CHECK_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
DTYPE = torch.float16 if DEVICE == "cuda" else torch.float32
PAPERS = compose_texts(70)
TEXTS = [paper.abstract for paper in PAPERS] + [paper.title for paper in PAPERS] + ["", "model " * 400]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def reference(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device=DEVICE)
    return model.encode(TEXTS, convert_to_tensor=True).float().cpu()


@pytest.mark.parametrize("capacity", [64, 256, 4096])
def test_vectors_are_those_of_sentence_transformers(folder: Path, reference: Any, capacity: int) -> None:
    vectors = TorchEncoder(folder, DEVICE, DTYPE).encode(TEXTS, capacity)
    assert vectors.dtype == torch.float32
    assert (vectors * reference).sum(dim=1).min() > (0.9999 if DEVICE == "cuda" else 0.999999)


def test_texts_are_cut_to_the_length_that_is_read(folder: Path) -> None:
    assert len(TorchEncoder(folder, DEVICE, DTYPE).tokenize(["model " * 400])[0]) == LENGTH


def test_a_run_does_not_change_the_vectors_of_the_run_before(folder: Path) -> None:
    encoder = TorchEncoder(folder, DEVICE, DTYPE)
    ids = encoder.tokenize([PAPERS[0].title, PAPERS[1].title])
    first = encoder.run(ids[:1])
    kept = first.clone()
    encoder.run(ids[1:])
    assert torch.equal(first, kept)
