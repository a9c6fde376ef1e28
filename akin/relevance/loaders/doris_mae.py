"""DORIS-MAE (Wang et al., 2023): paragraphs that describe a need, with judgements of each of their aspects.

One file, `DORIS-MAE_dataset_v1.json`: `Query` with `query_text`, `candidate_pool` (places in the corpus) and `aspects`
(each with its sub-aspects), `Corpus` with `title` and `original_abstract`, and `Annotation` with `aspect_id`,
`abstract_id` and `score` (0 to 2).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from akin.papers import Paper
from akin.relevance.collection import Collection
from akin.relevance.errors import RelevanceError
from akin.relevance.loaders.collecting import collection_of
from akin.relevance.loaders.files import Row, json_file, passage, text_of, whole_gain

PATTERN = "DORIS-MAE_dataset*.json"


def is_doris_mae(folder: Path) -> bool:
    """Return True if the one file is there."""
    return any(folder.glob(PATTERN))


def read_doris_mae(folder: Path) -> list[Collection]:
    """Read the queries; the gain of a paper is the sum of its scores over all aspects and sub-aspects.

    A paper whose mean score is below 1 meets too few aspects and is not relevant, as in the published evaluation.

    Raises:
        RelevanceError: The file is broken, or two versions lie in the folder.
    """
    files = sorted(folder.glob(PATTERN))
    if len(files) > 1:
        raise RelevanceError(f"{folder} has {', '.join(path.name for path in files)}: keep one of them.")
    path = files[0]
    content = json_file(path)
    asked, corpus, annotations = (_list(content, name, path) for name in ("Query", "Corpus", "Annotation"))
    scores: dict[tuple[str, str], int] = defaultdict(int)
    for place, each in enumerate(annotations):
        where = f"{path}: annotation {place}"
        aspect, paper = text_of(each, "aspect_id", where), text_of(each, "abstract_id", where)
        scores[aspect, paper] += whole_gain(each.get("score"), where)
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    for place, each in enumerate(asked):
        where = f"{path}: query {place}"
        queries[str(place)] = text_of(each, "query_text", where)
        aspects = _aspects(each.get("aspects"), where)
        totals = {
            str(paper): sum(scores.get((aspect, str(paper)), 0) for aspect in aspects)
            for paper in _list(each, "candidate_pool", where)
        }
        qrels[str(place)] = {paper: total for paper, total in totals.items() if total >= len(aspects)}

    def read_corpus() -> Iterator[tuple[str, Paper]]:
        for place, record in enumerate(corpus):
            yield passage(str(place), record.get("title"), record.get("original_abstract"), f"{path}: paper {place}")

    return [collection_of(folder, queries, qrels, read_corpus, [path])]


def _list(content: Any, name: str, where: object) -> list[Row]:
    found = content.get(name) if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise RelevanceError(f"{where} has no list {name}.")
    if name[0].isupper() and not all(isinstance(each, dict) for each in found):
        raise RelevanceError(f"{where}: {name} must be a list of objects.")
    return found


def _aspects(value: Any, where: str) -> list[str]:
    """Return the ids of aspects and their sub-aspects, each once."""
    if not isinstance(value, dict) or not all(isinstance(each, list) for each in value.values()):
        raise RelevanceError(f"{where} has no aspects, an object with the list of sub-aspects of each.")
    return list(dict.fromkeys(str(aspect) for name, subs in value.items() for aspect in (name, *subs)))
