"""Encode texts to unit vectors with the encoder of one version folder, in this process.

Triton's `model.py` serves it, and the export checks its parity; this file does not depend on Triton. `packing.py`
beside it plans the runs. OpenVINO compiles kernels for a shape at its first use, so `warm_up` runs every shape once
before the first query.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from packing import FINE_LENGTH, ROWS, Run, Shape, distribute_over_lanes, plan, shapes

# A single short text is padded to one of these lengths. Each has its own graph of fixed shape (28 MB).
ALONE_LENGTHS = (16, 32)
# The CPU features with which OpenVINO's INT8 kernels are faster than ONNX Runtime's. Without them they are slower.
INT8_FEATURES = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
# The roles of a text in a search. A version may put another prompt before the texts of each.
INPUT_TYPES = ("query", "passage")

Graph = Callable[[dict[str, np.ndarray]], np.ndarray]


class Tokenized(NamedTuple):
    """Texts as token ids.

    Attributes:
        ids: The ids of each text, cut to the length that the encoder reads.
        counts: The tokens of each text before the cut, with its prompt and special tokens, int32 [texts].
    """

    ids: list[list[int]]
    counts: np.ndarray

    @property
    def lengths(self) -> list[int]:
        """Return the number of tokens of each text that are read."""
        return [len(row) for row in self.ids]


_NOTHING = Tokenized([], np.empty(0, np.int32))


class BadPrompt(ValueError):
    """Prompts in a manifest that cannot be put before texts; the message has the reason."""


class DamagedVersion(ValueError):
    """A file of a version is missing, or is another than its manifest describes; the message names it."""


class TextEncoder:
    """Loaded version of the encoder. Only one thread may use it at a time; each other thread needs a `clone`.

    Attributes:
        dim: The length of a vector.
        max_length: The most tokens of a text that are read; the rest is cut off.
        digest: The digest that identifies this encoder (64 hex digits).
        prompts: The prompt of each of `INPUT_TYPES`; empty if the encoder was trained without one.
        shares_rows: True if several texts may share a row.
        runtime: `openvino` or `onnxruntime`; `inner` if another model of Triton runs the graph.
        threads: The threads that one call uses.
        lanes: The runs at the same time. With OpenVINO each has one thread and its own graph, as threads that share a
            run wait for each other at every operator; ONNX Runtime has one run with all threads.
        groups: The groups of bulk work at the same time; with an inner model some tokenise while another one runs.
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
        """Load the version in `folder`.

        Args:
            folder: The version's folder.
            runtime: `openvino`, `onnxruntime`, or `auto` for the faster one on this CPU.
            threads: The threads of one call; 0 for one for each core that this process may use.
            token_budget: The most padded tokens in a run, if the graph runs in this process.
            inner: A function that runs the graph elsewhere, with one text in each row and an attention mask.

        Raises:
            BadPrompt: A prompt of the manifest is no text, or leaves too little room for the text behind it.
            DamagedVersion: A file of the version is missing, or is another than the manifest describes.
        """
        manifest = json.loads((folder / "manifest.json").read_bytes())
        graph = manifest["graph"]
        check_files(folder, manifest.get("files", {}), "" if inner else graph["file"], "tokenizer.json")
        self.dim: int = manifest["dim"]
        self.max_length: int = manifest["max_length"]
        self.digest: str = manifest["digest"]
        self.threads = threads or len(os.sched_getaffinity(0))
        # A call of the inner model costs more than the padding that a further run would save: use large runs.
        usual = min(self.max_length, FINE_LENGTH)
        self.token_budget = ROWS[-1] * usual if inner else max(token_budget, usual)
        self.runtime = "inner" if inner else pick_runtime() if runtime == "auto" else runtime
        self._segmented = not inner and "segment_ids" in graph["inputs"]
        # In ONNX Runtime the order of float additions depends on a text's place in its row, so that some values are
        # rounded to another of their 256 levels: cosines of 0.9996 between a text alone and in a shared row.
        self.shares_rows: bool = self._segmented and self.runtime == "openvino"
        self.lanes = self.threads if self.runtime == "openvino" else 1
        self.groups = min(4, self.threads) if inner else self.lanes
        self._open_graph = (lambda _: inner) if inner else GRAPHS[self.runtime](folder / graph["file"])
        self._typed = "token_type_ids" in graph["inputs"]
        self._pad_id: int = graph["pad_id"]
        # ONNX Runtime needs no preparation for a shape, hence no graphs of fixed shape.
        self._alone: dict[int, Graph] = {}
        if self.runtime == "openvino":
            self._alone = {each: self._open_graph(1) for each in ALONE_LENGTHS if each <= self.max_length}
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_length)
        self._special = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        self.prompts = self._read_prompts(manifest.get("prompts", {}))
        self._open()

    def clone(self) -> TextEncoder:
        """Return the same encoder for another thread: with one lane, not warm."""
        clone = copy.copy(self)
        clone.threads = self.threads // self.lanes
        clone.lanes = 1
        clone._alone = {}
        clone._open()
        return clone

    def encode(self, texts: Sequence[str], input_type: str = "query") -> tuple[np.ndarray, np.ndarray]:
        """Encode texts of any lengths, with the prompt of their type (one of `INPUT_TYPES`) before them.

        Returns:
            Unit vectors, float32 [texts, dim]; and the tokens of each text before the cut, with its prompt and special
            tokens, int32 [texts].
        """
        return self.encode_prompted(self.add_prompt(texts, input_type))

    def add_prompt(self, texts: Sequence[str], input_type: str) -> list[str]:
        """Return the texts with the prompt of their type (one of `INPUT_TYPES`) before each."""
        prompt = self.prompts[input_type]
        return [prompt + text for text in texts] if prompt else list(texts)

    def encode_prompted(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Encode texts that have their prompts already; return the same as `encode`."""
        tokenized = self.tokenize(texts)
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        for members, found in self.run_all(tokenized):
            vectors[members] = found
        return vectors, tokenized.counts

    def tokenize(self, texts: Sequence[str]) -> Tokenized:
        """Return the token ids of texts that have their prompts already.

        `TOKENIZERS_PARALLELISM` decides if several cores share the work.
        """
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        # A tokenizer without special tokens may know no part of a text; an empty row would have no mean.
        ids = [encoding.ids or [self._pad_id] for encoding in encodings]
        counts = [
            len(row) if len(row) < self.max_length else self._whole_length(encoding)
            for row, encoding in zip(ids, encodings, strict=True)
        ]
        return Tokenized(ids, np.array(counts, dtype=np.int32))

    def run_all(self, tokenized: Tokenized) -> Iterator[tuple[list[int], np.ndarray]]:
        """Encode texts in runs with little total work, on all lanes at the same time if there is enough of it.

        Yields:
            The positions of a run's texts and their vectors, float32 [texts, dim], run by run.
        """
        mine, *others = distribute_over_lanes(tokenized.lengths, self.lanes)
        theirs = [self._pool.submit(list, self._run_on(lane, tokenized, part)) for lane, part in enumerate(others, 1)]
        try:
            yield from self._run_on(0, tokenized, mine)
            for each in theirs:
                yield from each.result()
        finally:
            # Leave only when every lane is free for the next call.
            wait(theirs)

    def _run_on(self, lane: int, tokenized: Tokenized, texts: Sequence[int]) -> Iterator[tuple[list[int], np.ndarray]]:
        """Encode a part of the texts on one lane, one run after the other."""
        for run in plan(tokenized.lengths, texts, self.max_length, self.token_budget, shares_rows=self.shares_rows):
            yield run.members, self._run(lane, tokenized, run)

    def warm_up(self, clones: Sequence[TextEncoder] = ()) -> None:
        """Run every shape of this encoder and its clones once, so that no usual query is the first of its shape.

        Rows of more than `FINE_LENGTH` tokens are left out, as they would take longer than all others together. ONNX
        Runtime needs no preparation for a shape: its smallest and largest run suffice. An inner model is warm when it
        is loaded, and Triton does not allow to call it yet.

        The first graph runs alone, the others at the same time: OpenVINO's Python binding sometimes hung as two threads
        used it for the first time at once.
        """
        if self.runtime == "inner":
            return
        every = shapes(min(self.max_length, FINE_LENGTH), self.token_budget, shares_rows=self.shares_rows)
        if self.runtime != "openvino":
            every = [every[0], every[-1]]
        first, *others = [graph for each in (self, *clones) for graph in each._graphs]
        self._warm(first, every)
        for length, graph in self._alone.items():
            self._warm(graph, [Shape(1, length, 1)])
        with ThreadPoolExecutor(max(len(others), 1), "warm-up") as pool:
            list(pool.map(lambda graph: self._warm(graph, every), others))

    def _warm(self, graph: Graph, every: Sequence[Shape]) -> None:
        for shape in every:
            graph(self._feed(_NOTHING, [], shape))

    def _open(self) -> None:
        """Load one graph for each lane, and start the threads of the other lanes."""
        self._graphs = [self._open_graph(self.threads // self.lanes) for _ in range(self.lanes)]
        self._pool = ThreadPoolExecutor(max(self.lanes - 1, 1), "encoder")

    def _run(self, lane: int, tokenized: Tokenized, run: Run) -> np.ndarray:
        """Return the vectors of a run's texts, float32 [texts, dim], in the order of `run.members`."""
        if len(tokenized.ids) == 1 and (length := next((each for each in self._alone if run.length <= each), 0)):
            feed = self._feed(tokenized, run.rows, Shape(1, length, 1))
            return self._alone[length](feed).reshape(1, self.dim).copy()
        feed = self._feed(tokenized, run.rows, run.shape)
        row = [at for at, members in enumerate(run.rows) for _ in members]
        slot = [at for members in run.rows for at in range(len(members))]
        return self._graphs[lane](feed).reshape(-1, run.slots, self.dim)[row, slot]

    def _feed(self, tokenized: Tokenized, rows: list[list[int]], shape: Shape) -> dict[str, np.ndarray]:
        """Return the graph's inputs, int64; places without a text are padding."""
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

    def _read_prompts(self, given: object) -> dict[str, str]:
        """Return the prompt of each of `INPUT_TYPES`, checked with the tokenizer."""
        if not isinstance(given, dict) or not all(isinstance(prompt, str) for prompt in given.values()):
            raise BadPrompt('the manifest\'s "prompts" must be an object of texts; export the version again.')
        if unknown := given.keys() - set(INPUT_TYPES):
            raise BadPrompt(f"the manifest has a prompt for {min(unknown)!r}; there are {' and '.join(INPUT_TYPES)}.")
        prompts = {each: given.get(each, "") for each in INPUT_TYPES}
        for name, prompt in prompts.items():
            if any("\ud800" <= letter <= "\udfff" for letter in prompt):
                raise BadPrompt(f"the prompt for {name} is not valid Unicode: it has half of a surrogate pair.")
            tokens = int(self.tokenize([prompt]).counts[0]) if prompt else 0
            if tokens > self.max_length // 2:
                raise BadPrompt(
                    f"the prompt for {name} has {tokens:,} tokens, more than half of the {self.max_length:,} that the "
                    "encoder reads: little of a text would be read. Export the version with a shorter prompt."
                )
        return prompts

    def _whole_length(self, encoding: object) -> int:
        """Return the tokens of a text before truncation, with special tokens counted once."""
        overflow: list[object] = encoding.overflowing  # type: ignore[attr-defined]
        return len(encoding) + sum(len(rest) - self._special for rest in overflow)  # type: ignore[arg-type]


def check_files(folder: Path, described: Mapping[str, Mapping[str, object]], *read: str) -> None:
    """Check sizes and digests of the files that native parsers are going to read, those beside a graph included.

    Raises:
        DamagedVersion: A file is missing, or is another than the manifest describes.
    """
    for name, file in described.items():
        if not any(each and name.startswith(each) for each in read):
            continue
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size == file.get("bytes", size) and size is not None:
            with path.open("rb") as content:
                if hashlib.file_digest(content, "sha256").hexdigest() == file["sha256"]:
                    continue
        raise DamagedVersion(f"{path} is missing or damaged: export this version of the encoder again.")


def pick_runtime() -> str:
    """Return `openvino` if it is installed and the CPU has INT8 instructions, else `onnxruntime`."""
    try:
        import openvino  # noqa: F401
    except ImportError:
        return "onnxruntime"
    return "openvino" if cpu_features() & INT8_FEATURES else "onnxruntime"


def cpu_features() -> frozenset[str]:
    """Return the instruction sets of the first core in Linux's names.

    `akin/storage/cpu.py` does the same elsewhere; this file is copied into each version and runs alone.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.split(":", 1)[1] for line in lines if line.startswith("flags")), "").split())


def openvino_graphs(path: Path) -> Callable[[int], Graph]:
    """Return a function that opens the graph with OpenVINO, for one request at a time on a number of threads."""
    import openvino

    # The binding gets NumPy ready with the first array. Two threads that cause this at once may wait for each other for
    # ever: one holds Python's lock and waits for the binding, the other the reverse.
    openvino.Tensor(np.zeros(1, dtype=np.int64))
    core = openvino.Core()
    # Read once: all compiled graphs share its constants.
    model = core.read_model(path)
    exact = not any(operation.get_type_name() == "FakeQuantize" for operation in model.get_ops())

    def open_graph(threads: int) -> Graph:
        properties = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # Otherwise all graphs with one thread, also those of other processes, are pinned to the same core.
            "ENABLE_CPU_PINNING": False,
        }
        if exact:
            # By default CPUs with BF16 would compute in it, which FP32 and FP16 versions must not: cosines of 0.9998.
            properties["INFERENCE_PRECISION_HINT"] = "f32"
        request = core.compile_model(model, "CPU", properties).create_infer_request()
        return lambda feed: request.infer(feed, share_inputs=True, share_outputs=True)[0]

    return open_graph


def onnxruntime_graphs(path: Path) -> Callable[[int], Graph]:
    """Return a function that opens the graph with ONNX Runtime on a number of threads."""
    import onnxruntime

    def open_graph(threads: int) -> Graph:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda feed: session.run(None, feed)[0]  # type: ignore[no-any-return]

    return open_graph


GRAPHS = {"openvino": openvino_graphs, "onnxruntime": onnxruntime_graphs}
