from collections.abc import Sequence

import numpy as np
import pytest

from training.arrays import Floats
from training.compression import parity
from training.encoders import EncodeAs, InputType
from training.errors import ParityError

TEXTS = [f"text {number}" for number in range(50)]
TRUE = np.random.default_rng(0).normal(size=(50, 32)).astype(np.float32)
TRUE /= np.linalg.norm(TRUE, axis=1, keepdims=True)


def encoder(noise: float = 0.0, company: float = 0.0, seed: int = 1, passages: float = 0.0) -> EncodeAs:
    """Return an encoder that adds noise to the true vectors: `company` to texts in a batch, `passages` to passages."""

    def encode(texts: Sequence[str], input_type: InputType = "query") -> Floats:
        rows = [TEXTS.index(text) for text in texts]
        error = np.random.default_rng(seed).normal(size=TRUE.shape).astype(np.float32) / 32**0.5
        vectors = TRUE + error * (
            noise + (company if len(texts) > 1 else 0.0) + (passages if input_type == "passage" else 0.0)
        )
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True))[rows].astype(np.float32)

    return encode


def test_a_close_encoder_passes_and_its_figures_are_returned() -> None:
    found = parity.measure({"onnxruntime": encoder(0.02), "openvino": encoder(0.03, seed=2)}, {"query": TRUE}, TEXTS)
    parity.require(found)
    assert found["mean_cosine"] == found["runtimes"]["openvino"]["mean_cosine"] < 1
    assert found["runtimes"]["onnxruntime"]["mean_cosine"] > found["mean_cosine"]
    assert 0 < found["between_runtimes"] < 0.01
    assert found["texts"] == 50


@pytest.mark.parametrize(
    ("encoders", "complaint"),
    [
        ({"onnxruntime": encoder(0.2)}, "the mean cosine to the original is 0.98"),
        ({"onnxruntime": encoder(company=0.05)}, "alone and in a batch is 0.99"),
        ({"onnxruntime": encoder(0.09), "openvino": encoder(0.09, seed=2)}, "the two runtimes' vectors are 0.0"),
        ({"onnxruntime": encoder(float("nan"))}, "the mean cosine to the original is nan"),
    ],
)
def test_an_encoder_that_differs_too_much_is_refused_with_the_figure(
    encoders: dict[str, EncodeAs], complaint: str
) -> None:
    with pytest.raises(ParityError, match=complaint):
        parity.require(parity.measure(encoders, {"query": TRUE}, TEXTS))


def test_both_input_types_count_and_the_worse_one_decides() -> None:
    found = parity.measure({"onnxruntime": encoder(0.01, passages=0.2)}, {"query": TRUE, "passage": TRUE}, TEXTS)
    assert found["input_types"]["query"]["mean_cosine"] > 0.999
    assert found["mean_cosine"] == found["input_types"]["passage"]["mean_cosine"] < 0.99
    with pytest.raises(ParityError, match=r"the mean cosine to the original is 0\.97"):
        parity.require(found)


def test_each_precision_has_its_limit() -> None:
    close = parity.measure({"onnxruntime": encoder(0.03)}, {"query": TRUE}, TEXTS)
    parity.require(close, "fp16")
    with pytest.raises(ParityError, match=r"FP32 .* least cosine to the original is 0\.999\d+, at least 0\.99999"):
        parity.require(close, "fp32")
    parity.require(parity.measure({"onnxruntime": encoder(0.0001)}, {"query": TRUE}, TEXTS), "fp32")
