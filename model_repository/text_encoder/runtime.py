"""The encoder of one version folder, in this process: texts in, unit vectors out.

Triton's `model.py` serves it; export checks parity with it; nothing here knows of Triton. Work is cut into runs of one
shape each: texts sorted by length, padded to a multiple of `LENGTH_STEP` tokens, a power of two of them at a time,
under a token budget. OpenVINO specialises for a shape at its first use, so all of them run once in `warm_up`, and no
query ever meets a new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

LENGTH_STEP = 16
MAX_ROWS = 64
# What starting one more run costs, in tokens of work: of the order of a tenth of a millisecond on either runtime.
RUN_OVERHEAD = 12
# CPU features with which OpenVINO's INT8 kernels beat ONNX Runtime's; without them they are half as fast.
INT8_FEATURES = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})

Run = Callable[[dict[str, np.ndarray]], np.ndarray]


class TextEncoder:
    """A version of the encoder, loaded.

    Attributes:
        dim: Length of a vector.
        max_length: Tokens of a text that are read; the rest is cut off.
        digest: What tells this encoder from any other (64 hex digits).
        runtime: `openvino` or `onnxruntime`, whichever runs.
        threads: Threads that one call uses.
    """

    def __init__(self, folder: Path, *, runtime: str = "auto", threads: int = 0, token_budget: int = 2048) -> None:
        """Loads the version in `folder`; `threads` 0 means one for each core that this process may use."""
        manifest = json.loads((folder / "manifest.json").read_bytes())
        graph = manifest["graph"]
        self.dim: int = manifest["dim"]
        self.max_length: int = manifest["max_length"]
        self.digest: str = manifest["digest"]
        self.threads = threads or len(os.sched_getaffinity(0))
        self.token_budget = max(token_budget, self.max_length)
        self.runtime = pick_runtime() if runtime == "auto" else runtime
        self._inputs: list[str] = graph["inputs"]
        self._pad_id: int = graph["pad_id"]
        self._run = RUNTIMES[self.runtime](folder / graph["file"], self.threads)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_length)
        self._special = self._tokenizer.num_special_tokens_to_add(is_pair=False)

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Encodes texts of any lengths.

        Returns:
            Vectors, float32 of shape (len(texts), dim), each of length one; and the number of tokens of each text
            before it was cut to `max_length`, int32 of shape (len(texts),).
        """
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        tokens = np.array([self._length(encoding) for encoding in encodings], dtype=np.int32)
        rows = [encoding.ids for encoding in encodings]
        types = [encoding.type_ids for encoding in encodings] if "token_type_ids" in self._inputs else None
        vectors = np.empty((len(rows), self.dim), dtype=np.float32)
        for members, length in plan([len(row) for row in rows], self.max_length, self.token_budget):
            vectors[members] = self._run(self._tensors(rows, types, members, length))
        return vectors, tokens

    def warm_up(self) -> None:
        """Runs what `encode` can make, so that no shape is met for the first time by a query.

        ONNX Runtime prepares nothing for a shape: its smallest and its largest run are enough.
        """
        every = shapes(self.max_length, self.token_budget)
        for length, count in every if self.runtime == "openvino" else (every[0], every[-1]):
            rows = [[self._pad_id] * length] * count
            self._run(self._tensors(rows, rows if "token_type_ids" in self._inputs else None, range(count), length))

    def _length(self, encoding: object) -> int:
        """Tokens of a text before truncation: what is kept and what overflowed, special tokens counted once."""
        overflow: list[object] = encoding.overflowing  # type: ignore[attr-defined]
        return len(encoding) + sum(len(rest) - self._special for rest in overflow)  # type: ignore[arg-type]

    def _tensors(
        self, rows: list[list[int]], types: list[list[int]] | None, members: Sequence[int], length: int
    ) -> dict[str, np.ndarray]:
        shape = (len(members), length)
        feed = {
            "input_ids": np.full(shape, self._pad_id, dtype=np.int64),
            "attention_mask": np.zeros(shape, dtype=np.int64),
        }
        if types is not None:
            feed["token_type_ids"] = np.zeros(shape, dtype=np.int64)
        for row, member in enumerate(members):
            size = len(rows[member])
            feed["input_ids"][row, :size] = rows[member]
            feed["attention_mask"][row, :size] = 1
            if types is not None:
                feed["token_type_ids"][row, :size] = types[member]
        return {name: feed[name] for name in self._inputs}


def plan(lengths: Sequence[int], max_length: int, budget: int) -> list[tuple[list[int], int]]:
    """Cuts texts into runs with the least work in total.

    Over the texts in order of length, the cheapest cut before each position is known from the cheapest cuts before it
    (dynamic programming); a run's cost is its padded tokens and `RUN_OVERHEAD`.

    Args:
        lengths: Tokens of each text, none over `max_length`.
        max_length: The longest length that the encoder reads.
        budget: The most padded tokens in one run.

    Returns:
        For each run the positions of its texts in `lengths` and the length they are padded to.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    best: list[tuple[int, int]] = [(0, 0)]  # for each number of texts: the cost of them all, and the last run's size
    for end in range(1, len(order) + 1):
        length = bucket(lengths[order[end - 1]], max_length)
        best.append(
            min(
                (best[end - size][0] + size * length + RUN_OVERHEAD, size)
                for size in sizes(length, budget)
                if size <= end
            )
        )
    runs = []
    end = len(order)
    while end:
        size = best[end][1]
        runs.append((order[end - size : end], bucket(lengths[order[end - 1]], max_length)))
        end -= size
    return runs


def bucket(length: int, max_length: int) -> int:
    """The padded length of a text of `length` tokens."""
    return min(max_length, -(-max(length, 1) // LENGTH_STEP) * LENGTH_STEP)


def sizes(length: int, budget: int) -> list[int]:
    """The batch sizes that texts of one padded length run in: powers of two under the budget."""
    return [size for size in (1, 2, 4, 8, 16, 32, 64) if size == 1 or (size <= MAX_ROWS and size * length <= budget)]


def shapes(max_length: int, budget: int) -> list[tuple[int, int]]:
    """Every (length, rows) that `plan` can produce."""
    lengths = sorted({bucket(length, max_length) for length in range(1, max_length + 1)})
    return [(length, size) for length in lengths for size in sizes(length, budget)]


def pick_runtime() -> str:
    """OpenVINO where it is installed and the CPU multiplies INT8 natively, ONNX Runtime elsewhere."""
    try:
        import openvino  # noqa: F401
    except ImportError:
        return "onnxruntime"
    return "openvino" if cpu_features() & INT8_FEATURES else "onnxruntime"


def cpu_features() -> frozenset[str]:
    """The instruction sets of this machine's first core, in Linux's names."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.split(":", 1)[1] for line in lines if line.startswith("flags")), "").split())


def openvino_run(path: Path, threads: int) -> Run:
    """Runs the graph with OpenVINO, one request at a time on `threads` threads."""
    import openvino

    core = openvino.Core()
    properties = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(core.read_model(path), "CPU", properties)
    request = compiled.create_infer_request()

    def run(feed: dict[str, np.ndarray]) -> np.ndarray:
        return request.infer(feed, share_inputs=True, share_outputs=True)[0]  # type: ignore[no-any-return]

    return run


def onnxruntime_run(path: Path, threads: int) -> Run:
    """Runs the graph with ONNX Runtime on `threads` threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(feed: dict[str, np.ndarray]) -> np.ndarray:
        return session.run(None, feed)[0]  # type: ignore[no-any-return]

    return run


RUNTIMES: dict[str, Callable[[Path, int], Run]] = {"openvino": openvino_run, "onnxruntime": onnxruntime_run}
