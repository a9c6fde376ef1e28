"""Compare the vectors of texts that share a row with their vectors alone."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny_encoders
from tiny_encoders import Shape

from training.compression.onnx_export import export_onnx
from training.compression.pack import PACKED_INPUTS, pack
from training.registry import source

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore"),  # tracing warns of every branch on a shape
]

ROW = 40


def exported(folder: Path, scratch: Path, dimensions: int | None = None) -> onnx.ModelProto:
    return export_onnx(source.load(source.resolve(str(folder))), scratch, dimensions)


def run(model: onnx.ModelProto, feed: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, {value.name: feed[value.name] for value in model.graph.input})[0]
    return found


@pytest.mark.parametrize(
    ("shape", "dimensions"),
    [(Shape(), None), (Shape(pooling="cls"), None), (Shape(dense=48), None), (Shape(pooling="cls", dense=48), 8)],
)
def test_a_text_has_the_same_vector_beside_any_other_texts(
    shape: Shape, dimensions: int | None, tmp_path: Path
) -> None:
    (tmp_path / "scratch").mkdir()
    plain = exported(tiny_encoders.build(shape, tmp_path / "model"), tmp_path / "scratch", dimensions)
    packed = pack(plain)
    assert packed is not None
    assert set(PACKED_INPUTS) <= {value.name for value in packed.graph.input}
    assert "attention_mask" not in {value.name for value in packed.graph.input}
    chance = np.random.default_rng(0)
    texts = [chance.integers(5, 60, length) for length in (7, 12, 3, 18, 30, 5)]
    ids = np.zeros((3, ROW), np.int64)
    segments, positions = np.zeros_like(ids), np.zeros_like(ids)
    where = []
    for row, members in enumerate(((0, 1, 2, 3), (4, 5), ())):
        start = 0
        for number, member in enumerate(members, start=1):
            place = slice(start, start + len(texts[member]))
            ids[row, place], segments[row, place] = texts[member], number
            positions[row, place] = np.arange(len(texts[member]))
            start = place.stop
            where.append((row, number - 1))
    together = run(
        packed,
        {
            "input_ids": ids,
            "token_type_ids": np.zeros_like(ids),
            "segment_ids": segments,
            "position_ids": positions,
            "slots": np.arange(1, 7),
        },
    )
    assert np.isfinite(together).all(), "a row of padding and slots without a text are numbers as well"
    for text, place in zip(texts, where, strict=True):
        alone = {"input_ids": text[None], "attention_mask": np.ones((1, len(text)), np.int64)}
        alone["token_type_ids"] = np.zeros_like(alone["attention_mask"])
        np.testing.assert_allclose(together[place], run(plain, alone)[0], atol=1e-6)


@pytest.mark.parametrize(
    "shape",
    [
        Shape("modernbert"),
        Shape("roberta"),
        Shape("static"),
        Shape(pooling="max"),
        Shape(pooling="lasttoken"),
        Shape(pooling="weightedmean"),
        Shape(pooling=("cls", "mean")),
    ],
)
def test_other_positions_and_poolings_are_not_packed(shape: Shape, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    assert pack(exported(tiny_encoders.build(shape, tmp_path / "model"), tmp_path / "scratch")) is None
