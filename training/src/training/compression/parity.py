"""Measure parity: how closely a version, run by the code that serves it, reproduces the model it was made from.

The reference is sentence-transformers in FP32: `encode_query` for queries and `encode_document` for passages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from training.arrays import Floats
from training.encoders import Encode, EncodeAs, InputType
from training.errors import ParityError

MEAN_COSINE = 0.995
FP16_MEAN_COSINE = 0.999
"""Least mean cosine in FP16. Rounding keeps 0.9999; a value below this limit means an error."""

FP32_MIN_COSINE = 0.99999
"""Least cosine of any text in FP32: the graph is the same calculation in another order."""

ALONE_VS_BATCHED = 0.9999
BETWEEN_RUNTIMES = 0.01
_ALONE = 40


@dataclass(frozen=True)
class Fidelity:
    """Figures of one runtime on the held-out texts.

    Attributes:
        mean_cosine: mean cosine to the reference.
        min_cosine: cosine of the worst text.
        alone_vs_batched: least cosine between the vectors of a text that is encoded alone and in a batch.
    """

    mean_cosine: float
    min_cosine: float
    alone_vs_batched: float


def measure(encode: Mapping[str, EncodeAs], true: Mapping[InputType, Floats], texts: Sequence[str]) -> dict[str, Any]:
    """Compare every runtime with the reference, its batches with single texts, and the runtimes with each other.

    Args:
        encode: encoders by runtime.
        true: vectors of the reference by input type; one type suffices for a model without prompts.
        texts: the texts.

    Returns:
        The figures for the manifest; `mean_cosine`, `min_cosine` and `alone_vs_batched` are those of the worst runtime
        and input type. With prompts, `input_types` has the figures of each type.
    """
    by_type = {
        kind: _measure({name: partial(each, input_type=kind) for name, each in encode.items()}, vectors, texts)
        for kind, vectors in true.items()
    }
    parts = list(by_type.values())
    apart = [part["between_runtimes"] for part in parts if part["between_runtimes"] is not None]
    return {
        **{name: min(part[name] for part in parts) for name in Fidelity.__dataclass_fields__},
        "between_runtimes": max(apart, default=None),
        "texts": len(texts),
        "reference": "sentence-transformers, FP32",
        **({"runtimes": parts[0]["runtimes"]} if len(parts) == 1 else {"input_types": by_type}),
    }


def _measure(encode: Mapping[str, Encode], true: Floats, texts: Sequence[str]) -> dict[str, Any]:
    """Return the figures of texts of one input type."""
    found: dict[str, Fidelity] = {}
    batched: dict[str, Floats] = {}
    some = range(0, len(texts), max(1, len(texts) // _ALONE))
    for name, run in encode.items():
        batched[name] = run(texts)
        alone = np.concatenate([run([texts[index]]) for index in some])
        cosines = _cosines(batched[name], true)
        found[name] = Fidelity(
            mean_cosine=float(cosines.mean()),
            min_cosine=float(cosines.min()),
            alone_vs_batched=float(_cosines(alone, batched[name][list(some)]).min()),
        )
    first, *rest = batched.values()
    apart = max((float((1 - _cosines(first, other)).max()) for other in rest), default=None)
    return {
        **{name: min(getattr(each, name) for each in found.values()) for name in Fidelity.__dataclass_fields__},
        "between_runtimes": apart,
        "runtimes": {name: asdict(each) for name, each in found.items()},
    }


def require(parity: Mapping[str, Any], precision: str = "int8") -> None:
    """Check that a version is close enough to its original, by the limits of its precision.

    Raises:
        ParityError: A figure misses its limit; the message names each such figure.
    """
    closeness = {
        "int8": ("mean_cosine", "the mean cosine to the original", MEAN_COSINE),
        "fp16": ("mean_cosine", "the mean cosine to the original", FP16_MEAN_COSINE),
        "fp32": ("min_cosine", "the least cosine to the original", FP32_MIN_COSINE),
    }[precision]
    alone = ("alone_vs_batched", "the cosine between a text's vector alone and in a batch", ALONE_VS_BATCHED)
    short = [
        f"{label} is {parity[key]:.5f}, at least {limit} is required"
        for key, label, limit in (closeness, alone)
        # The condition is negated so that NaN is refused too.
        if not parity[key] >= limit
    ]
    apart = parity["between_runtimes"]
    if apart is not None and not apart <= BETWEEN_RUNTIMES:
        short.append(f"the two runtimes' vectors are {apart:.5f} apart, at most {BETWEEN_RUNTIMES} is allowed")
    if short:
        advice = {
            "int8": "Calibrate with more papers, and with papers like those you will search, or export with "
            "--precision auto, which falls back to FP16 and FP32.",
            "fp16": "Its activations exceed the range of FP16: export with --precision fp32.",
            "fp32": "The exporter does not reproduce this architecture; choose another model.",
        }[precision]
        raise ParityError(
            f"nothing was published, because the encoder in {precision.upper()} is too different from its original: "
            f"{'; '.join(short)}. {advice}"
        )


def _cosines(left: Floats, right: Floats) -> Floats:
    product = np.einsum("nd,nd->n", left, right, dtype=np.float64)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return (product / np.maximum(lengths, 1e-12)).astype(np.float64)  # type: ignore[no-any-return]
