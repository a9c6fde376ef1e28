"""Measure one runtime on this machine and print the result as one line of JSON: `python measure.py FOLDER MADE`.

FOLDER is a version's folder with `probe.npz`: `input_ids` and `attention_mask` of texts, and their `vectors` in FP32.
MADE is the JSON of `runtimes.open_encoder`. Each runtime is measured by a process of its own: one that crashes, or
takes the whole memory of a GPU, leaves the others.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from runtimes import Unusable, first_line, open_encoder

SECONDS = 1.0
BATCH = 64


def measure(folder: Path, made: dict[str, Any], seconds: float = SECONDS) -> dict[str, Any]:
    """Return what was measured: texts a second, the time of one short text, and cosines to FP32.

    Args:
        folder: The version's folder.
        made: As in `runtimes.open_encoder`.
        seconds: The time of each of the two measurements.
    """
    try:
        encoder = open_encoder(folder, made)
        encoder.warm_up()
        with np.load(folder / "probe.npz") as probe:
            tensors = {name: probe[name] for name in ("input_ids", "attention_mask")}
            exact = probe["vectors"]
        tensors |= {name: np.zeros_like(tensors["input_ids"]) for name in encoder.inputs if name not in tensors}

        def run(rows: slice, length: int) -> Any:
            part = {name: np.ascontiguousarray(tensors[name][rows, :length]) for name in encoder.inputs}
            return np.from_dlpack(encoder.finish(encoder.start(part)))

        lengths = tensors["attention_mask"].sum(axis=1)
        parts = [slice(at, at + BATCH) for at in range(0, len(exact), BATCH)]
        found = np.concatenate([run(part, int(lengths[part].max())) for part in parts])
        cosines = (found * exact).sum(axis=1)
        whole = parts[0]
        length = int(lengths[whole].max())
        done, begun = 0, time.perf_counter()
        while (taken := time.perf_counter() - begun) < seconds or not done:
            done += len(run(whole, length))
        short = int(np.argmin(lengths))
        times = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or not times:
            started = time.perf_counter()
            run(slice(short, short + 1), int(lengths[short]))
            times.append(time.perf_counter() - started)
    except Unusable as reason:
        return {"runtime": made["runtime"], "unusable": str(reason)}
    except Exception as error:
        # Whatever a runtime meets here makes it unusable; the reason is for the user.
        return {"runtime": made["runtime"], "unusable": f"it failed: {first_line(error)}"}
    return {
        "runtime": made["runtime"],
        "device": made["device"],
        "software": encoder.name,
        "texts_per_second": round(done / taken, 1),
        "tokens_per_text": round(float(lengths[whole].mean()), 1),
        "one_text_ms": round(1e3 * float(np.median(times)), 3),
        "mean_cosine": float(cosines.mean()),
        "min_cosine": float(cosines.min()),
    }


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), json.loads(sys.argv[2]))))
