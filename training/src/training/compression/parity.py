"""Measure parity: how closely a version, run by the code that serves it, reproduces the model it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from training.arrays import Floats
from training.encoders import Encode
from training.errors import ParityError

MEAN_COSINE = 0.995
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


def measure(encode: Mapping[str, Encode], true: Floats, texts: Sequence[str]) -> dict[str, Any]:
    """Compare every runtime with the reference, its batches with single texts, and the runtimes with each other.

    Returns:
        The figures for the manifest; `mean_cosine`, `min_cosine` and `alone_vs_batched` are those of the worst runtime.
    """
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
        "texts": len(texts),
        "reference": "sentence-transformers, FP32",
        "runtimes": {name: asdict(each) for name, each in found.items()},
    }


def require(parity: dict[str, Any]) -> None:
    """Check that a version is close enough to its original.

    Raises:
        ParityError: A figure misses its limit; the message names each such figure.
    """
    short = [
        f"{label} is {parity[key]:.5f}, at least {limit} is required"
        for key, label, limit in (
            ("mean_cosine", "the mean cosine to the original", MEAN_COSINE),
            ("alone_vs_batched", "the cosine between a text's vector alone and in a batch", ALONE_VS_BATCHED),
        )
        # The condition is negated so that NaN is refused too.
        if not parity[key] >= limit
    ]
    apart = parity["between_runtimes"]
    if apart is not None and not apart <= BETWEEN_RUNTIMES:
        short.append(f"the two runtimes' vectors are {apart:.5f} apart, at most {BETWEEN_RUNTIMES} is allowed")
    if short:
        raise ParityError(
            "nothing was published, because the compressed encoder is too different from its original: "
            + "; ".join(short)
            + ". Calibrate with more papers, and with papers like those you will search."
        )


def _cosines(left: Floats, right: Floats) -> Floats:
    product = np.einsum("nd,nd->n", left, right, dtype=np.float64)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return (product / np.maximum(lengths, 1e-12)).astype(np.float64)  # type: ignore[no-any-return]
