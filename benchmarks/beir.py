"""Test collections in BEIR's layout, and the measures of a ranking."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Collection:
    """A test collection.

    Attributes:
        name: Its folder's name.
        corpus: The file of its passages.
        queries: Text of each judged query, by id.
        qrels: Gain of each judged passage, by query and passage id; what is not judged has none.
    """

    name: str
    corpus: Path
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]


def load(folder: Path) -> Collection:
    """Reads `corpus.jsonl`, `queries.jsonl` and `qrels/test.tsv`; queries with no relevant passage are left out."""
    qrels: dict[str, dict[str, int]] = {}
    with (folder / "qrels/test.tsv").open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if int(row["score"]) > 0:
                qrels.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    with (folder / "queries.jsonl").open() as file:
        texts = {str(query["_id"]): query["text"] for query in map(json.loads, file)}
    return Collection(folder.name, folder / "corpus.jsonl", {query: texts[query] for query in qrels}, qrels)


def ndcg(ranking: Sequence[str], gains: Mapping[str, int], depth: int = 10) -> float:
    """Normalised discounted cumulative gain, with linear gains as in trec_eval (Järvelin and Kekäläinen, 2002)."""
    found = sum(gains.get(passage, 0) / math.log2(rank + 2) for rank, passage in enumerate(ranking[:depth]))
    ideal = sorted(gains.values(), reverse=True)[:depth]
    return found / sum(gain / math.log2(rank + 2) for rank, gain in enumerate(ideal))


def recall(ranking: Sequence[str], gains: Mapping[str, int], depth: int) -> float:
    """The share of the relevant passages that are among the first `depth`."""
    return len(set(ranking[:depth]) & set(gains)) / len(gains)


def reciprocal_rank(ranking: Sequence[str], gains: Mapping[str, int], depth: int = 10) -> float:
    """One over the rank of the first relevant passage, 0 when it is not among the first `depth`."""
    return next((1 / rank for rank, passage in enumerate(ranking[:depth], start=1) if passage in gains), 0.0)
