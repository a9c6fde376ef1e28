"""The encoder of one version folder, in this process: texts in, unit vectors out.

Triton's `model.py` serves it; export checks parity with it; nothing here knows of Triton. `packing.py` beside this file
says which texts run together. OpenVINO prepares itself for a shape at its first use, so all of them run once in
`warm_up`, and no query ever meets a new one.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from packing import ROWS, Run, Shape, deal, plan, shapes

# A lone short text has one of these lengths, each with a graph of its own that never changes shape (28 MB).
ALONE_LENGTHS = (16, 32)
# CPU features with which OpenVINO's INT8 kernels beat ONNX Runtime's; without them they are half as fast.
INT8_FEATURES = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})

Graph = Callable[[dict[str, np.ndarray]], np.ndarray]


class Tokenized(NamedTuple):
    """Texts as token ids.

    Attributes:
        ids: of each text, cut to what the encoder reads.
        counts: tokens of each text before it was cut, int32 [texts].
    """

    ids: list[list[int]]
    counts: np.ndarray

    @property
    def lengths(self) -> list[int]:
        """How many tokens of each text are read."""
        return [len(row) for row in self.ids]


_NOTHING = Tokenized([], np.empty(0, np.int32))


class TextEncoder:
    """A version of the encoder, loaded. One thread may use it at a time; others each take a `twin`.

    Attributes:
        dim: Length of a vector.
        max_length: Tokens of a text that are read; the rest is cut off.
        digest: What tells this encoder from any other (64 hex digits).
        shares_rows: Whether several texts may lie in one row.
        runtime: `openvino` or `onnxruntime`, whichever runs; `inner` where another model of Triton does.
        threads: Threads that one call uses.
        lanes: Runs that are under way at once. With OpenVINO each has one thread and a graph of its own, as threads
            that share a run wait for each other at every operator; ONNX Runtime has one run, with all threads.
    """

    def __init__(
        self,
        folder: Path,
        *,
        runtime: str = "auto",
        threads: int = 0,
        token_budget: int = 1024,
        inner: Graph | None = None,
    ) -> None:
        """Loads the version in `folder`.

        Args:
            folder: The version.
            runtime: `openvino`, `onnxruntime`, or `auto` for the faster of them on this CPU.
            threads: Of one call; 0 means one for each core that this process may use.
            token_budget: The most padded tokens in one run of a runtime in this process.
            inner: What runs the tensors instead of a runtime in this process: one text a row, with an attention mask.
        """
        manifest = json.loads((folder / "manifest.json").read_bytes())
        graph = manifest["graph"]
        self.dim: int = manifest["dim"]
        self.max_length: int = manifest["max_length"]
        self.digest: str = manifest["digest"]
        self.threads = threads or len(os.sched_getaffinity(0))
        # A call of another model costs more than the padding it saves: all rows of a length are one run there.
        self.token_budget = ROWS[-1] * self.max_length if inner else max(token_budget, self.max_length)
        self.runtime = "inner" if inner else pick_runtime() if runtime == "auto" else runtime
        self._segmented = not inner and "segment_ids" in graph["inputs"]
        # In ONNX Runtime a text's place in its row decides in which order floats are added up, and now and then a value
        # is rounded to another of its 256 levels: cosines of 0.9996 between a text alone and in company.
        self.shares_rows: bool = self._segmented and self.runtime == "openvino"
        self.lanes = self.threads if self.runtime == "openvino" else 1
        self._open_graph = (lambda _: inner) if inner else GRAPHS[self.runtime](folder / graph["file"])
        self._typed = "token_type_ids" in graph["inputs"]
        self._pad_id: int = graph["pad_id"]
        # ONNX Runtime does not mind a change of shape, and loads no graph twice for it.
        self._alone: dict[int, Graph] = {}
        if self.runtime == "openvino":
            self._alone = {each: self._open_graph(1) for each in ALONE_LENGTHS if each <= self.max_length}
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_length)
        self._special = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        self._open()

    def twin(self) -> TextEncoder:
        """Return the same encoder for another thread to use at the same time: one lane, not warm."""
        twin = copy.copy(self)
        twin.threads = self.threads // self.lanes
        twin.lanes = 1
        twin._alone = {}
        twin._open()
        return twin

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Encodes texts of any lengths.

        Returns:
            Vectors, float32 of shape (len(texts), dim), each of length one; and the number of tokens of each text
            before it was cut to `max_length`, int32 of shape (len(texts),).
        """
        tokenized = self.tokenize(texts)
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        for members, found in self.run_all(tokenized):
            vectors[members] = found
        return vectors, tokenized.counts

    def tokenize(self, texts: Sequence[str]) -> Tokenized:
        """Token ids of texts; several cores share the work."""
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        ids = [encoding.ids for encoding in encodings]
        counts = [
            len(row) if len(row) < self.max_length else self._whole_length(encoding)
            for row, encoding in zip(ids, encodings, strict=True)
        ]
        return Tokenized(ids, np.array(counts, dtype=np.int32))

    def run_all(self, tokenized: Tokenized) -> Iterator[tuple[list[int], np.ndarray]]:
        """Encodes texts in the runs with the least work, side by side on all lanes where that is quicker.

        Yields:
            The positions of a run's texts and their vectors, float32 [texts, dim], as the runs are done.
        """
        mine, *others = deal(tokenized.lengths, self.lanes)
        theirs = [self._pool.submit(list, self._run_on(lane, tokenized, part)) for lane, part in enumerate(others, 1)]
        try:
            yield from self._run_on(0, tokenized, mine)
            for each in theirs:
                yield from each.result()
        finally:
            # No lane may be left at work: whoever comes next finds them free.
            wait(theirs)

    def _run_on(self, lane: int, tokenized: Tokenized, texts: Sequence[int]) -> Iterator[tuple[list[int], np.ndarray]]:
        """Encodes a part of the texts on one lane, one run after the other."""
        for run in plan(tokenized.lengths, texts, self.max_length, self.token_budget, shares_rows=self.shares_rows):
            yield run.members, self._run(lane, tokenized, run)

    def warm_up(self, twins: Sequence[TextEncoder] = ()) -> None:
        """Run what this encoder and its twins can be asked for, so that no query meets a shape for the first time.

        ONNX Runtime prepares nothing for a shape: its smallest and its largest run are enough. An inner model
        prepares itself as it is loaded: Triton allows no calls of it yet.

        The first graph runs alone, the others side by side: OpenVINO's Python part hangs now and then where two threads
        use it for the first time at once.
        """
        if self.runtime == "inner":
            return
        every = shapes(self.max_length, self.token_budget, shares_rows=self.shares_rows)
        if self.runtime != "openvino":
            every = [every[0], every[-1]]
        first, *others = [graph for each in (self, *twins) for graph in each._graphs]
        self._warm(first, every)
        for length, graph in self._alone.items():
            self._warm(graph, [Shape(1, length, 1)])
        with ThreadPoolExecutor(max(len(others), 1), "warm-up") as pool:
            list(pool.map(lambda graph: self._warm(graph, every), others))

    def _warm(self, graph: Graph, every: Sequence[Shape]) -> None:
        for shape in every:
            graph(self._feed(_NOTHING, [], shape))

    def _open(self) -> None:
        """Loads what runs, as often as runs are to be under way at once."""
        self._graphs = [self._open_graph(self.threads // self.lanes) for _ in range(self.lanes)]
        self._pool = ThreadPoolExecutor(max(self.lanes - 1, 1), "encoder")

    def _run(self, lane: int, tokenized: Tokenized, run: Run) -> np.ndarray:
        """The vectors of a run's texts, float32 [texts, dim], in the order of its `members`."""
        if len(tokenized.ids) == 1 and (length := next((each for each in self._alone if run.length <= each), 0)):
            feed = self._feed(tokenized, run.rows, Shape(1, length, 1))
            return self._alone[length](feed).reshape(1, self.dim).copy()
        feed = self._feed(tokenized, run.rows, run.shape)
        row = [at for at, members in enumerate(run.rows) for _ in members]
        slot = [at for members in run.rows for at in range(len(members))]
        return self._graphs[lane](feed).reshape(-1, run.slots, self.dim)[row, slot]

    def _feed(self, tokenized: Tokenized, rows: list[list[int]], shape: Shape) -> dict[str, np.ndarray]:
        """The graph's inputs, int64; what no text needs is padding."""
        size = shape.rows, shape.length
        ids = np.full(size, self._pad_id, dtype=np.int64)
        segments, positions = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        for row, members in enumerate(rows):
            start = 0
            for number, member in enumerate(members, start=1):
                tokens = tokenized.ids[member]
                end = start + len(tokens)
                ids[row, start:end] = tokens
                segments[row, start:end] = number
                positions[row, start:end] = np.arange(len(tokens))
                start = end
        feed = {"input_ids": ids}
        if self._typed:
            feed["token_type_ids"] = np.zeros(size, dtype=np.int64)
        if self._segmented:
            return feed | {"segment_ids": segments, "position_ids": positions, "slots": np.arange(1, shape.slots + 1)}
        return feed | {"attention_mask": segments}

    def _whole_length(self, encoding: object) -> int:
        """Tokens of a text before truncation: what is kept and what overflowed, special tokens counted once."""
        overflow: list[object] = encoding.overflowing  # type: ignore[attr-defined]
        return len(encoding) + sum(len(rest) - self._special for rest in overflow)  # type: ignore[arg-type]


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


def openvino_graphs(path: Path) -> Callable[[int], Graph]:
    """Opens the graph with OpenVINO, each time for one request at a time on so many threads."""
    import openvino

    core = openvino.Core()
    # Read once: its constants are shared by all that is compiled from it.
    model = core.read_model(path)

    def open_graph(threads: int) -> Graph:
        properties = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # Graphs of one thread would all be tied to the same core, those of other processes as well.
            "ENABLE_CPU_PINNING": False,
        }
        request = core.compile_model(model, "CPU", properties).create_infer_request()
        return lambda feed: request.infer(feed, share_inputs=True, share_outputs=True)[0]

    return open_graph


def onnxruntime_graphs(path: Path) -> Callable[[int], Graph]:
    """Opens the graph with ONNX Runtime on so many threads."""
    import onnxruntime

    def open_graph(threads: int) -> Graph:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda feed: session.run(None, feed)[0]  # type: ignore[no-any-return]

    return open_graph


GRAPHS = {"openvino": openvino_graphs, "onnxruntime": onnxruntime_graphs}
