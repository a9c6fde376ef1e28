"""One engine in a process and environment of its own, told what to do in lines of JSON on its standard input.

`python -m benchmarks.encoder.worker ENGINE FOLDER`. Every order is answered by one line of JSON. Times are taken here,
around the engine's call alone: what the orders cost is in no figure.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.encoder.engines import ENGINES, Engine

_TOLD = frozenset(
    "torch transformers sentence-transformers optimum optimum-intel fastembed onnxruntime openvino "
    "tokenizers numpy".split()
)


def main() -> None:
    """Loads the engine, says so, and obeys until its input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print belongs to the log
    engine = ENGINES[sys.argv[1]](Path(sys.argv[2]))
    engine.encode(["a first text, to have everything loaded"], 1)
    versions = {each.metadata["Name"]: each.version for each in distributions() if each.metadata["Name"] in _TOLD}
    print(json.dumps({"versions": {"python": platform.python_version(), **versions}}), file=answers)
    for line in sys.stdin:
        print(json.dumps(obey(engine, json.loads(line))), file=answers)


def obey(engine: Engine, order: dict[str, Any]) -> dict[str, Any]:
    """`together` encodes all texts in one call; `each` calls for every text alone."""
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
    return {"seconds": seconds, "cpu": used, "times": times, "shape": list(vectors.shape)}


if __name__ == "__main__":
    main()
