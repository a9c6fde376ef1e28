"""Measure a model on test sets in dense and hybrid search, without an index.

The dense half is exact. The lexical half is a list that the service's lexical index made once, because training does
not change it. The service's own functions join them and read the query's words in the texts of the best papers, with
default weights. `akin evaluate` measures the whole search, in which duplicates are folded too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from akin.relevance import query_metrics, read_collection
from akin.relevance.collection import Collection
from retrieval_service.ports import Hits
from retrieval_service.search.fusion import FUSIONS, fuse, single_ranking
from retrieval_service.search.text_match import TEXT_WEIGHT, rank_by_texts

LISTS = "lexical.npz"
POOL = 100
DEPTH = 100
METRICS = ("nDCG@10", "MRR@10", "recall@100")


@dataclass(frozen=True)
class TestSet:
    """Test set with its lexical ranking: the rows of each query's passages, best first, their scores and bounds.

    Attributes:
        collection: passages and queries as search sees them.
        ids: id of each passage.
        texts: title and abstract of each passage.
        bounds: for each query, the score of an unrelated passage and the greatest possible one.
        rows: for each query, the rows of the passages found.
        scores: their scores.
    """

    collection: Collection
    ids: list[str]
    texts: list[tuple[str, str]]
    bounds: list[tuple[float, float] | None]
    rows: list[np.ndarray[Any, Any]]
    scores: list[np.ndarray[Any, Any]]

    @classmethod
    def read(cls, folder: Path) -> TestSet:
        """Read a set with its `lexical.npz`: rows, scores, and for each query the end of its list and its bounds."""
        collection = read_collection(folder)
        with np.load(folder / LISTS) as lists:
            ends = lists["ends"]
            rows, scores = (np.split(lists[name], ends[:-1]) for name in ("rows", "scores"))
            bounds = [None if np.isnan(low) else (float(low), float(high)) for low, high in lists["bounds"]]
        texts = [(paper.title, paper.abstract) for paper in collection.papers()]
        return cls(collection, list(collection.passages), texts, bounds, rows, scores)

    def texts_of(self, rows: Sequence[int]) -> list[tuple[str, str]]:
        """Return title and abstract of some rows."""
        return [self.texts[row] for row in rows]


def read_sets(folder: Path) -> list[TestSet]:
    """Return the sets below a folder, in the order of their names."""
    return [TestSet.read(path.parent) for path in sorted(folder.glob(f"*/{LISTS}"))]


Values = np.ndarray[Any, Any]


def measure(model: Any, sets: list[TestSet], *, batch_size: int) -> Iterator[tuple[str, str, str, Values]]:
    """Yield set, mode, metric, and the value of each query.

    Args:
        model: sentence-transformers model.
        sets: test sets.
        batch_size: texts to encode at once.
    """
    known: dict[str, torch.Tensor] = {}
    for each in sets:
        passages = list(each.collection.passages.values())
        # Sets of several kinds share most of their passages.
        new = [text for text in dict.fromkeys(passages) if text not in known]
        if new:
            known |= dict(zip(new, _encode(model.encode_document, new, batch_size), strict=True))
        by_passage = torch.stack([known[text] for text in passages])
        by_query = _encode(model.encode_query, list(each.collection.queries.values()), batch_size)
        with torch.autocast(by_query.device.type, enabled=False):
            top = (by_query @ by_passage.T).topk(min(DEPTH, len(passages)), dim=1)
            unrelated = (by_query @ by_passage.mean(dim=0)).cpu().tolist()
        yield from _measure_set(each, top.indices.cpu().numpy(), top.values.cpu().numpy(), unrelated)


def _measure_set(
    each: TestSet, rows: Values, scores: Values, unrelated: Sequence[float]
) -> Iterator[tuple[str, str, str, Values]]:
    runs: dict[str, dict[str, Mapping[str, float]]] = {mode: {} for mode in ("lexical", "dense", "hybrid")}
    for number, (query, words) in enumerate(each.collection.queries.items()):
        dense = Hits(rows[number].astype(np.int64), scores[number].astype(np.float32), (unrelated[number], 1.0))
        lexical = Hits(each.rows[number].astype(np.int64), each.scores[number].astype(np.float32), each.bounds[number])
        found = {
            "lexical": single_ranking(None, lexical),
            "dense": single_ranking(dense, None),
            "hybrid": rank_by_texts(fuse(dense, lexical, FUSIONS["bounds"], POOL), words, each.texts_of, TEXT_WEIGHT),
        }
        for mode, ranking in found.items():
            ids = [each.ids[row] for row in ranking.rows[:DEPTH]]
            runs[mode][query] = {identity: float(-rank) for rank, identity in enumerate(ids)}
    for mode, run in runs.items():
        for metric, values in query_metrics(run, each.collection.qrels, METRICS).items():
            yield each.collection.name, mode, metric, np.array(values)


def _encode(encode: Callable[..., torch.Tensor], texts: list[str], batch_size: int) -> torch.Tensor:
    with torch.inference_mode():
        vectors = encode(
            texts, batch_size=batch_size, show_progress_bar=False, convert_to_tensor=True, normalize_embeddings=True
        )
    return vectors.float()
