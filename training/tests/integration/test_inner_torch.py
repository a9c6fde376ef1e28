"""Run the torch runtime of the inner model on the CPU as a GPU runs it: tensors by DLPack, recorded runs."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.gpu_check.served import TorchEncoder
from benchmarks.gpu_check.texts import compose_texts
from benchmarks.gpu_check.tiny import HIDDEN, LENGTH, make_tiny_model

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
TITLES = [paper.title for paper in compose_texts(40)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


class ByDlpack:
    """Stands for a tensor of Triton, which gives DLPack and no array."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def to_dlpack(self) -> Any:
        return self._values.__dlpack__()


def test_tensors_of_triton_come_by_dlpack_and_vectors_leave_by_it(folder: Path) -> None:
    from torch_encoder import TorchRuntime, open_torch

    exact = TorchEncoder(folder, "cpu", torch.float32)
    ids = exact.tokenize(TITLES)
    padded = np.zeros((len(ids), max(map(len, ids)) + 3), np.int64)
    mask = np.zeros_like(padded)
    for row, each in enumerate(ids):
        padded[row, : len(each)], mask[row, : len(each)] = each, 1
    made = {"device": "cpu", "weights": str(folder), "dim": HIDDEN, "max_length": LENGTH}
    runtime = open_torch(Path("/nowhere"), made)
    assert isinstance(runtime, TorchRuntime)
    vectors = runtime.finish(runtime.start({"input_ids": ByDlpack(padded), "attention_mask": ByDlpack(mask)}))
    np.testing.assert_allclose(np.from_dlpack(vectors), exact.encode(TITLES).numpy(), atol=1e-5)


def test_a_device_that_torch_cannot_use_is_named_with_the_next_step(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runtimes import Unusable
    from torch_encoder import open_torch

    made = {"device": "cuda", "weights": str(folder), "dim": HIDDEN, "max_length": LENGTH}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(Unusable, match="is built for CPUs and sees no GPU: install a build that this machine"):
        open_torch(folder, made)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(Unusable, match=r"is built for CUDA 13\.0 and sees no GPU") as told:
        open_torch(folder, made)
    assert "\n" not in str(told.value)


def test_recorded_runs_give_the_vectors_of_direct_ones(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a stand-in for CUDA's graphs repeat the recorded work, from the memory that was recorded."""
    encoder = TorchEncoder(folder, "cpu", torch.float32)
    direct = encoder.encode(TITLES)
    recorded = []

    class Graph:
        def replay(self) -> None:
            shape, kept = next(item for item in encoder._recorded.items() if item[1].graph is self)
            assert len(kept.borders) == shape.texts + 1
            kept.vectors.copy_(encoder._run(kept.ids, kept.borders, shape.length))

        def pool(self) -> str:
            return "pool"

    class Stream:
        def wait_stream(self, other: Any) -> None:
            pass

    @contextmanager
    def block(*_: Any, **how: Any) -> Any:
        recorded.append(how)
        yield

    for name, stand_in in {
        "CUDAGraph": Graph, "Stream": Stream, "current_stream": Stream, "stream": block, "graph": block,
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    encoder._graphs = True
    kept = encoder.run(encoder.tokenize(TITLES[:3]))
    first = kept.clone()
    for _ in range(2):
        torch.testing.assert_close(encoder.encode(TITLES), direct, atol=1e-5, rtol=0)
    shapes = len(encoder._recorded)
    assert len([how for how in recorded if how]) == shapes  # each shape was recorded once
    assert [how["pool"] for how in recorded if how] == [None, *["pool"] * (shapes - 1)]
    # A later run writes to the recorded memory, and not to the vectors that were handed out.
    torch.testing.assert_close(kept, first, atol=0, rtol=0)
