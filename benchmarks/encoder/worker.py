"""Encode texts with one engine, on orders from the benchmark.

`python -m benchmarks.encoder.worker ENGINE FOLDER`. Times are taken here, around the call of the engine: no figure
includes the exchange of orders and answers.
"""

from __future__ import annotations

import platform
import sys
import time
from importlib.metadata import distributions
from pathlib import Path

import numpy as np

from benchmarks.encoder.engines import ENGINES, Engine
from benchmarks.processes import Message, open_answers, orders

_LIBRARIES = frozenset(
    "torch transformers sentence-transformers optimum optimum-intel fastembed onnxruntime openvino "
    "tokenizers numpy".split()
)


def main() -> None:
    """Load the engine, send its versions, and carry out orders until there are no more."""
    answer = open_answers()
    engine = ENGINES[sys.argv[1]](Path(sys.argv[2]))
    engine.encode(["a first text, to have everything loaded"], 1)
    versions = {each.metadata["Name"]: each.version for each in distributions() if each.metadata["Name"] in _LIBRARIES}
    answer({"versions": {"python": platform.python_version(), **versions}})
    for order in orders():
        answer(encode(engine, order))


def encode(engine: Engine, order: Message) -> Message:
    """Encode the texts of an order: `together` in one call, or `each` in a call of its own."""
    texts: list[str] = order["texts"]
    cpu, start = time.process_time(), time.perf_counter()
    if order["do"] == "each":
        times, parts = [], []
        for text in texts:
            begun = time.perf_counter()
            parts.append(engine.encode([text], 1))
            times.append(time.perf_counter() - begun)
        vectors = np.vstack(parts)
    else:
        times, vectors = [], engine.encode(texts, order["batch"])
    seconds, used = time.perf_counter() - start, time.process_time() - cpu
    if "keep" in order:
        np.save(order["keep"], vectors)
    return {"seconds": seconds, "cpu": used, "times": times}


if __name__ == "__main__":
    main()
