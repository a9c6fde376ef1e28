"""Score pairs of a query and a passage with the reranker of one version folder, in this process.

It runs a graph as `text_encoder` does: `runtime.py` and `packing.py` beside this file are the same ones. A pair has one
row, and pairs of similar length run together. This file does not depend on Triton.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from packing import Shape
from runtime import TextEncoder


class TokenizedPairs(NamedTuple):
    """Pairs as token ids.

    Attributes:
        ids: The ids of each pair, cut to the length that the reranker reads.
        types: The type of each of these tokens: 1 from the passage on if the model distinguishes them.
    """

    ids: list[list[int]]
    types: list[list[int]]

    @property
    def lengths(self) -> list[int]:
        """Return the number of tokens of each pair."""
        return [len(row) for row in self.ids]


class PairScorer(TextEncoder):
    """Loaded version of the reranker. Only one thread may use it at a time."""

    def __init__(self, folder: Path, *, runtime: str = "auto", threads: int = 0, token_budget: int = 1024) -> None:
        """Load the version in `folder`; the arguments are those of `TextEncoder`."""
        recipe = json.loads((folder / "manifest.json").read_bytes())["recipe"]
        if runtime == "auto" and recipe["precision"] == "FP32":
            # OpenVINO would multiply in bf16 where the CPU can: too coarse for some rerankers.
            runtime = "onnxruntime"
        super().__init__(folder, runtime=runtime, threads=threads, token_budget=token_budget)
        # The longer text of a pair is cut first, as sentence-transformers does.
        self._tokenizer.enable_truncation(self.max_length, strategy="longest_first")

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Return the score of each pair of a query and a passage, float32 [pairs]."""
        # With an empty passage the tokenizer would make a single text.
        encodings = self._tokenizer.encode_batch_fast([(query, text or " ") for query, text in pairs])
        tokenized: Any = TokenizedPairs([each.ids for each in encodings], [each.type_ids for each in encodings])
        scores = np.empty(len(pairs), dtype=np.float32)
        for members, found in self.run_all(tokenized):
            scores[members] = found[:, 0]
        return scores

    def _feed(self, tokenized: Any, rows: list[list[int]], shape: Shape) -> dict[str, np.ndarray]:
        """Return the graph's inputs with the types of the pairs."""
        feed = super()._feed(tokenized, rows, shape)
        if self._typed:
            for row, (member, *_) in enumerate(rows):
                types = tokenized.types[member]
                feed["token_type_ids"][row, : len(types)] = types
        return feed
