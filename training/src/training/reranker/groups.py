"""Read groups to train a reranker on: a query, the passage that answers it, and passages that do not.

A file has JSON lines `{"query": …, "positive": …, "negatives": […], "scores": […], "paper": …}`. The last two may be
absent: the scores that a search gave the positive and each negative, in this order, and the id of the positive's paper.
With a second file of texts (JSON lines, one string each), positives and negatives are numbers of its lines, from 0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.arrays import Floats
from training.errors import CorpusError

NO_TEXT = -1
_T = TypeVar("_T")


@dataclass(frozen=True)
class Groups:
    """Groups of a query and its passages; each distinct passage is stored once.

    Attributes:
        queries: text of each query.
        texts: text of each distinct passage.
        members: position in `texts` of each passage of a group, the positive first: int32 [groups, width]. Groups with
            fewer passages end with `NO_TEXT`.
        scores: scores that a search gave the passages, float32 [groups, width]; None if the file has none.
        papers: number of each group's paper, int64 [groups]; without ids, groups of one positive have one paper.
    """

    queries: list[str]
    texts: list[str]
    members: NDArray[np.int32]
    scores: Floats | None
    papers: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.queries)


def read_groups(path: Path, *, texts: Path | None = None, negatives: int | None = None) -> Groups:
    """Read a file of groups.

    Args:
        path: file of groups.
        texts: file of the passages, if the groups name them by number.
        negatives: most negatives to take of a group, the first ones; None takes all.

    Raises:
        CorpusError: A file cannot be read, a line is not a group, or only some groups have scores.
    """
    numbered = list(_lines(texts, _text)) if texts else None
    found: dict[str, int] = {}

    def position(text: Any) -> int:
        if numbered is None:
            return found.setdefault(_text(text), len(found))
        if not isinstance(text, int) or not 0 <= text < len(numbered):
            raise ValueError(f"{text!r} is no line of {texts}, which has {len(numbered)}")
        return text

    def group(line: Any) -> tuple[str, list[int], list[float] | None, str | int]:
        members = [line["positive"], *line["negatives"]]
        scores = line.get("scores")
        if len(members) < 2:
            raise ValueError("there is no negative")
        if scores is not None and len(scores) != len(members):
            raise ValueError(f"there are {len(scores)} scores for {len(members)} passages")
        width = len(members) if negatives is None else min(len(members), negatives + 1)
        kept = None if scores is None else [float(score) for score in scores[:width]]
        places = [position(text) for text in members[:width]]
        return _text(line["query"]), places, kept, _text(line["paper"]) if "paper" in line else places[0]

    queries, rows, scores, papers = [], [], [], []
    numbers: dict[str | int, int] = {}
    for query, members, line_scores, paper in _lines(path, group):
        queries.append(query)
        rows.append(members)
        papers.append(numbers.setdefault(paper, len(numbers)))
        if line_scores is not None:
            scores.append(line_scores)
    if not rows:
        raise CorpusError(f"{path} has no groups. `python -m training.reranker.candidates` makes such a file.")
    if scores and len(scores) != len(rows):
        raise CorpusError(f"{path}: {len(scores)} of {len(rows)} groups have scores. Give scores to all or to none.")
    table = _table(rows, NO_TEXT, np.int32)
    joined = _table(scores, 0.0, np.float32) if scores else None
    return Groups(queries, numbered or list(found), table, joined, np.array(papers))


def _table(rows: Sequence[Sequence[Any]], fill: Any, dtype: Any) -> NDArray[Any]:
    table = np.full((len(rows), max(len(row) for row in rows)), fill, dtype=dtype)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _lines(path: Path, parse: Callable[[Any], _T]) -> Iterator[_T]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield parse(json.loads(line))
                except (ValueError, TypeError, KeyError, AttributeError) as error:
                    reason = f"it has no {error}" if isinstance(error, KeyError) else error
                    raise CorpusError(f"{path}:{number} cannot be used: {reason}.") from error
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}.") from error
