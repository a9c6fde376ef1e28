"""The encoder of one version folder, in this process: texts in, unit vectors out.

Triton's `model.py` serves it; export checks parity with it; nothing here knows of Triton. Work is cut into runs of one
shape each: texts sorted by length, padded to the next of `padded_lengths`, as many at a time as `ROWS` allows, under a
token budget. OpenVINO prepares itself for a shape at its first use, so all of them run once in `warm_up`, and no query
ever meets a new one.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

# Numbers of texts that a run may have.
ROWS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
# What starting one more run costs, in tokens of work: half a millisecond where a token takes thirty microseconds.
RUN_OVERHEAD = 16
# A text that is alone and short has these lengths only, in a graph of its own that therefore hardly ever changes shape.
ALONE_LENGTHS = (16, 32)
# CPU features with which OpenVINO's INT8 kernels beat ONNX Runtime's; without them they are half as fast.
INT8_FEATURES = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})

Run = Callable[[dict[str, np.ndarray]], np.ndarray]


class Tokenized(NamedTuple):
    """Texts as token ids.

    Attributes:
        ids: of each text, cut to what the encoder reads.
        types: the token types; None where the graph does not ask for them.
        counts: tokens of each text before it was cut, int32 [texts].
    """

    ids: list[list[int]]
    types: list[list[int]] | None
    counts: np.ndarray

    @property
    def lengths(self) -> list[int]:
        """How many tokens of each text are read."""
        return [len(row) for row in self.ids]


class TextEncoder:
    """A version of the encoder, loaded. One thread may use it at a time; others each take a `twin`.

    Attributes:
        dim: Length of a vector.
        max_length: Tokens of a text that are read; the rest is cut off.
        digest: What tells this encoder from any other (64 hex digits).
        runtime: `openvino` or `onnxruntime`, whichever runs.
        threads: Threads that one call uses.
    """

    def __init__(
        self,
        folder: Path,
        *,
        runtime: str = "auto",
        threads: int = 0,
        token_budget: int = 1024,
        inner: Run | None = None,
    ) -> None:
        """Loads the version in `folder`.

        Args:
            folder: The version.
            runtime: `openvino`, `onnxruntime`, or `auto` for the faster of them on this CPU.
            threads: Of one call; 0 means one for each core that this process may use.
            token_budget: The most padded tokens in one run.
            inner: What runs the tensors instead of a runtime in this process.
        """
        manifest = json.loads((folder / "manifest.json").read_bytes())
        graph = manifest["graph"]
        self.dim: int = manifest["dim"]
        self.max_length: int = manifest["max_length"]
        self.digest: str = manifest["digest"]
        self.threads = threads or len(os.sched_getaffinity(0))
        self.token_budget = max(token_budget, self.max_length)
        self.runtime = "inner" if inner else pick_runtime() if runtime == "auto" else runtime
        self._graph = folder / graph["file"]
        self._inputs: list[str] = graph["inputs"]
        self._pad_id: int = graph["pad_id"]
        self._run = inner or RUNTIMES[self.runtime](self._graph, self.threads)
        # ONNX Runtime does not mind a change of shape, and loads no graph twice for it.
        self._alone = [length for length in ALONE_LENGTHS if length <= self.max_length and self.runtime == "openvino"]
        self._run_alone = openvino_run(self._graph, 1) if self._alone else None
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_length)
        self._special = self._tokenizer.num_special_tokens_to_add(is_pair=False)

    def twin(self) -> TextEncoder:
        """The same encoder for another thread to use at the same time, not warm."""
        twin = copy.copy(self)
        if self.runtime in RUNTIMES:
            twin._run = RUNTIMES[self.runtime](self._graph, self.threads)
        twin._run_alone = None
        return twin

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Encodes texts of any lengths.

        Returns:
            Vectors, float32 of shape (len(texts), dim), each of length one; and the number of tokens of each text
            before it was cut to `max_length`, int32 of shape (len(texts),).
        """
        tokenized = self.tokenize(texts)
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        for members, length in self.runs(tokenized):
            vectors[members] = self.run(tokenized, members, length)
        return vectors, tokenized.counts

    def tokenize(self, texts: Sequence[str]) -> Tokenized:
        """Token ids of texts; several cores share the work."""
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        ids = [encoding.ids for encoding in encodings]
        types = [encoding.type_ids for encoding in encodings] if "token_type_ids" in self._inputs else None
        counts = [
            len(row) if len(row) < self.max_length else self._whole_length(encoding)
            for row, encoding in zip(ids, encodings, strict=True)
        ]
        return Tokenized(ids, types, np.array(counts, dtype=np.int32))

    def runs(self, tokenized: Tokenized) -> list[tuple[list[int], int]]:
        """The runs that encode these texts with the least work, as `plan` describes them."""
        return plan(tokenized.lengths, self.max_length, self.token_budget)

    def run(self, tokenized: Tokenized, members: Sequence[int], length: int) -> np.ndarray:
        """Encodes some of the texts in one run, each padded to `length` tokens.

        Returns:
            float32 [len(members), dim]; valid until the next run.
        """
        run = self._run
        if self._run_alone is not None and len(members) == 1 and length <= self._alone[-1]:
            run, length = self._run_alone, next(each for each in self._alone if length <= each)
        sizes = np.array([len(tokenized.ids[member]) for member in members])
        real = np.arange(length) < sizes[:, None]
        feed = {"input_ids": np.full(real.shape, self._pad_id, dtype=np.int64), "attention_mask": real.astype(np.int64)}
        feed["input_ids"][real] = np.concatenate([tokenized.ids[member] for member in members])
        if tokenized.types is not None:
            feed["token_type_ids"] = np.zeros(real.shape, dtype=np.int64)
            feed["token_type_ids"][real] = np.concatenate([tokenized.types[member] for member in members])
        return run({name: feed[name] for name in self._inputs})

    def warm_up(self) -> None:
        """Runs what `encode` can make, so that no shape is met for the first time by a query.

        ONNX Runtime prepares nothing for a shape: its smallest and its largest run are enough. An inner model is warmed
        by its own configuration: Triton allows no calls of it yet.
        """
        if self.runtime == "inner":
            return
        every = shapes(self.max_length, self.token_budget)
        for length, count in every if self.runtime == "openvino" else (every[0], every[-1]):
            rows = [[self._pad_id] * length] * count
            types = rows if "token_type_ids" in self._inputs else None
            self.run(Tokenized(rows, types, np.empty(0, np.int32)), range(count), length)

    def _whole_length(self, encoding: object) -> int:
        """Tokens of a text before truncation: what is kept and what overflowed, special tokens counted once."""
        overflow: list[object] = encoding.overflowing  # type: ignore[attr-defined]
        return len(encoding) + sum(len(rest) - self._special for rest in overflow)  # type: ignore[arg-type]


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
    allowed = {length: sizes(length, budget) for length in {bucket(length, max_length) for length in lengths}}
    best: list[tuple[int, int]] = [(0, 0)]  # for each number of texts: the cost of them all, and the last run's size
    for end, last in enumerate(order, start=1):
        length = bucket(lengths[last], max_length)
        best.append(
            min((best[end - size][0] + size * length + RUN_OVERHEAD, size) for size in allowed[length] if size <= end)
        )
    runs = []
    end = len(order)
    while end:
        size = best[end][1]
        runs.append((order[end - size : end], bucket(lengths[order[end - 1]], max_length)))
        end -= size
    return runs


def bucket(length: int, max_length: int) -> int:
    """The padded length of a text of `length` tokens.

    Padding is work for nothing, and every length is a shape to be kept warm: short texts, whose padding is the larger
    share, have the finer steps.
    """
    step = 4 if length <= 32 else 8 if length <= 64 else 16
    return min(max_length, max(8, -(-length // step) * step))


def padded_lengths(max_length: int) -> list[int]:
    """Every padded length there is."""
    return sorted({bucket(length, max_length) for length in range(1, max_length + 1)})


def sizes(length: int, budget: int) -> list[int]:
    """The numbers of texts that run at one padded length under a budget of tokens."""
    return [rows for rows in ROWS if rows == 1 or rows * length <= budget]


def shapes(max_length: int, budget: int) -> list[tuple[int, int]]:
    """Every (length, rows) that `plan` can produce."""
    return [(length, rows) for length in padded_lengths(max_length) for rows in sizes(length, budget)]


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
