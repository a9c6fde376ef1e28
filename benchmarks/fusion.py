"""Find how dense and lexical results should be fused: learn method and weight on some collections, measure on others.

Every query is searched once densely and once lexically, with the encoder of a stack that is started for it and the
service's own indexes. Both lists are kept in `data/benchmarks/fusion/lists`, so that a second run takes seconds; the
fusion is repeated for every method and weight. A weight is useful only if it also helps where it was not learned: each
collection is measured with the choice that was learned on all other collections, and with the choice of its own other
queries (five folds). The ranking while only some papers have vectors is compared with that by words alone.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from akin.cli.index import build_index
from akin.cli.output import say
from akin.papers import read_papers
from akin.relevance import Collection, corpus_file, query_metrics, read_collections, scores_of_order, write_known_items
from akin.stack import local_http
from akin.stack_settings import Settings
from benchmarks.report import Row, rows_table, write_rows
from benchmarks.stack import FIELDS, await_snapshot, private_stack
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.snapshot import open_snapshot
from retrieval_service.ports import Hits
from retrieval_service.search.fusion import EVEN, FUSIONS, fuse
from retrieval_service.search.text_match import TEXT_WEIGHT, rank_by_texts

WEIGHTS = tuple(round(0.1 * step, 1) for step in range(11))
DEFAULT = ("bounds", EVEN)
COVERED = (0.01, 0.05, 0.2, 0.5)
"""Shares of the papers that have a vector, while a build makes the vectors of a corpus."""
_FOLDS = 5
_POOL, _DEPTH = 100, 1_000
_NOTICEABLE = 0.002

Choice = tuple[str, float]
Scores = Mapping[Choice, Sequence[float]]


class Halves(NamedTuple):
    """Dense and lexical results of a query; their rows are indexes of `ids`."""

    dense: Hits
    lexical: Hits
    ids: Sequence[str]


def main() -> None:
    """Learn and measure, print the table and the verdict, and write both below `data/benchmarks/`."""
    parser = argparse.ArgumentParser(prog="make bench NAME=fusion", description=__doc__)
    parser.add_argument("collections", nargs="*", type=Path, help="development sets: folders in BEIR's layout")
    parser.add_argument("--corpus", help="a file of papers to make two known-item sets of")
    parser.add_argument("--papers", type=int, default=2000, help="number of papers of the file that are used")
    options = parser.parse_args()
    settings = Settings.read()
    collections = read_collections(options.collections)
    if options.corpus:
        collections += known_item_sets(
            options.corpus, options.papers, settings.data / "benchmarks" / "fusion" / "known-items"
        )
    if not collections:
        parser.error("give development sets, or --corpus")
    lists = settings.data / "benchmarks" / "fusion" / "lists"
    missing = [collection for collection in collections if not lists_file(lists, collection).exists()]
    if missing:
        lists.mkdir(parents=True, exist_ok=True)
        with private_stack("fusion") as running:
            for collection in missing:
                write_halves(lists_file(lists, collection), search_halves(running, collection))
    scores = {
        collection.name: score_choices(collection, read_halves(lists_file(lists, collection)))
        for collection in collections
    }
    rows, verdict = learn(scores)
    for collection in collections:
        paired = score_texts(collection, read_halves(lists_file(lists, collection)))
        rows += gain_rows("default, with texts", collection.name, paired, scores[collection.name][DEFAULT])
        words = scores[collection.name][(DEFAULT[0], 0.0)]
        for share in COVERED:
            paired = score_texts(collection, read_halves(lists_file(lists, collection)), share)
            rows += gain_rows(f"vectors of {share:.0%}, over words alone", collection.name, paired, words)
    path = write_rows("fusion", rows, settings.data / "benchmarks", verdict=verdict)
    print(rows_table(rows))
    say(verdict)
    say(f"written to {path} and {path.with_suffix('.md')}")


def known_item_sets(corpus: str, papers: int, folder: Path) -> list[Collection]:
    """Make two known-item sets of a file's first papers: the query is the title, or the abstract's last sentence."""
    sets = {"title": folder / "titles", "last_sentence": folder / "last-sentences"}
    for kind, target in sets.items():
        with read_papers(corpus) as source:
            write_known_items(islice(source, papers), target, kind=kind, most=papers, fewest=1)
    return read_collections(list(sets.values()))


def lists_file(folder: Path, collection: Collection) -> Path:
    """Return the file of a collection's lists."""
    return folder / f"{collection.name}-{collection.digest[:16]}.npz"


def search_halves(settings: Settings, collection: Collection) -> dict[str, Halves]:
    """Index a collection and return the dense and lexical results of every query."""
    corpus = corpus_file(collection, settings.data / "corpora")
    name = build_index(settings, str(corpus), FIELDS).id
    await_snapshot(settings, name)
    snapshot = open_snapshot(SnapshotDirectory(settings.data).path(name))
    ids = [paper.id for paper in snapshot.catalogue.papers(range(len(snapshot.catalogue)))]

    def both(query: str) -> Halves:
        answer = client.post("/embed", json={"query": query}).raise_for_status().json()
        vector = np.asarray(answer["embedding"], np.float32)
        return Halves(snapshot.vectors.search(vector, _DEPTH), snapshot.lexical.search(query, _DEPTH), ids)

    try:
        with local_http.client(base_url=settings.service_url, timeout=60) as client, ThreadPoolExecutor(2) as pool:
            found = pool.map(both, collection.queries.values())
            return dict(zip(collection.queries, found, strict=True))
    finally:
        snapshot.close()


def write_halves(path: Path, found: Mapping[str, Halves]) -> None:
    """Write the lists of all queries as arrays [queries, depth]; rows of -1 fill a list that is shorter."""
    arrays: dict[str, Any] = {
        "queries": np.asarray(list(found), np.str_),
        "ids": np.asarray(next(iter(found.values())).ids, np.str_),
    }
    for half in ("dense", "lexical"):
        hits: list[Hits] = [getattr(one, half) for one in found.values()]
        depth = max(len(one.rows) for one in hits)
        arrays[f"{half}_rows"] = np.full((len(hits), depth), -1, np.int64)
        arrays[f"{half}_scores"] = np.zeros((len(hits), depth), np.float32)
        arrays[f"{half}_bounds"] = np.asarray([one.bounds or (0.0, 0.0) for one in hits])
        for at, one in enumerate(hits):
            arrays[f"{half}_rows"][at, : len(one.rows)] = one.rows
            arrays[f"{half}_scores"][at, : len(one.rows)] = one.scores
    np.savez_compressed(path, **arrays)


def read_halves(path: Path) -> dict[str, Halves]:
    """Read what `write_halves` wrote."""
    with np.load(path) as arrays:
        kept = {name: arrays[name] for name in arrays.files}
    ids = kept["ids"].tolist()

    def half(name: str, at: int) -> Hits:
        low, high = kept[f"{name}_bounds"][at].tolist()
        rows = kept[f"{name}_rows"][at]
        return Hits(rows[rows >= 0], kept[f"{name}_scores"][at][rows >= 0], (low, high) if high > low else None)

    queries: list[str] = kept["queries"].tolist()
    return {query: Halves(half("dense", at), half("lexical", at), ids) for at, query in enumerate(queries)}


def score_choices(collection: Collection, found: Mapping[str, Halves]) -> Scores:
    """Return nDCG@10 of every query, by method and weight."""

    def search(halves: Halves, method: str, weight: float) -> dict[str, float]:
        fused = fuse(halves.dense, halves.lexical, FUSIONS[method], _POOL, weight)
        return scores_of_order([halves.ids[row] for row in fused.rows[:10].tolist()])

    def of(method: str, weight: float) -> list[float]:
        run = {query: search(halves, method, weight) for query, halves in found.items()}
        return query_metrics(run, collection.qrels, ["nDCG@10"])["nDCG@10"]

    return {(method, weight): of(method, weight) for method in FUSIONS for weight in WEIGHTS}


def score_texts(collection: Collection, found: Mapping[str, Halves], share: float = 1.0) -> list[float]:
    """Return nDCG@10 of every query, by the default and the words of the query in the papers' texts.

    Args:
        collection: the collection.
        found: results of its queries.
        share: share of the papers that have a vector, drawn at random.
    """
    texts = {paper.id: (paper.title, paper.abstract) for paper in collection.papers()}
    run = {}
    for query, halves in found.items():
        dense, covered = halves.dense, None
        if share < 1:
            covered = np.random.default_rng(1).random(len(halves.ids)) < share
            kept = covered[dense.rows]
            dense = Hits(dense.rows[kept], dense.scores[kept], dense.bounds)
        fused = fuse(dense, halves.lexical, FUSIONS[DEFAULT[0]], _POOL, DEFAULT[1], covered)

        def read(rows: Sequence[int], ids: Sequence[str] = halves.ids) -> list[tuple[str, str]]:
            return [texts[ids[row]] for row in rows]

        ranking = rank_by_texts(fused, collection.queries[query], read, TEXT_WEIGHT)
        run[query] = scores_of_order([halves.ids[row] for row in ranking.rows[:10].tolist()])
    return query_metrics(run, collection.qrels, ["nDCG@10"])["nDCG@10"]


def best(scores: Sequence[Scores]) -> Choice:
    """Return the method and weight with the greatest mean over the collections' means; the default if it ties."""
    means = {choice: statistics.mean(statistics.mean(own[choice]) for own in scores) for choice in scores[0]}
    return max(means, key=lambda choice: (round(means[choice], 6), choice == DEFAULT))


def learn(scores: Mapping[str, Scores]) -> tuple[list[Row], str]:
    """Return the rows of the table, and a verdict that states whether the learned choice is better than the default."""
    rows: list[Row] = []
    gains = []
    for name, own in scores.items():
        others = [other for left_in, other in scores.items() if left_in != name]
        default = statistics.mean(own[DEFAULT])
        rows.append(Row("default", name, "nDCG@10", round(default, 4)))
        for method in FUSIONS:
            if method != DEFAULT[0]:
                rows += gain_rows(f"{method}, even", name, own[(method, EVEN)], own[DEFAULT])
        rows += [Row(f"{method} best", name, "nDCG@10", round(max(_means(own, method)), 4)) for method in FUSIONS]
        rows.append(Row("learned on its other queries", name, "nDCG@10", round(_cross_validate(own), 4)))
        if others:
            choice = best(others)
            other_mean = statistics.mean(own[choice])
            gains.append(other_mean - default)
            rows.append(Row("learned on the others", name, "nDCG@10", round(other_mean, 4)))
            rows.append(Row("learned on the others", name, "weight", choice[1]))
    method, weight = best(list(scores.values()))
    if (method, weight) == DEFAULT or not gains:
        return rows, f"best over all: {method}, weight {weight:g}"
    robust = min(gains) > -_NOTICEABLE and statistics.mean(gains) > _NOTICEABLE
    verdict = (
        "robust: it helps, and harms no collection that it was not learned on"
        if robust
        else "not robust: keep the default"
    )
    return (
        rows,
        f"best over all: {method}, weight {weight:g}; {verdict} ({', '.join(f'{gain:+.4f}' for gain in gains)})",
    )


def gain_rows(system: str, name: str, scores: Sequence[float], base: Sequence[float]) -> list[Row]:
    """Return rows of the mean difference to a base and of half of its 95 % interval, by the normal distribution."""
    difference = np.asarray(scores) - np.asarray(base)
    half_width = 1.96 * float(difference.std()) / len(difference) ** 0.5
    return [
        Row(system, name, "difference", round(float(difference.mean()), 4)),
        Row(system, name, "± 95 %", round(half_width, 4)),
    ]


def _means(own: Scores, method: str) -> list[float]:
    return [statistics.mean(values) for (own_method, _), values in own.items() if own_method == method]


def _cross_validate(own: Scores) -> float:
    """Return the mean over queries, each measured with the choice that was learned on the other folds."""
    count = len(own[DEFAULT])
    total = 0.0
    for fold in range(min(_FOLDS, count)):
        rest = [at for at in range(count) if at % _FOLDS != fold]
        choice = best([{choice: [values[at] for at in rest] for choice, values in own.items()}]) if rest else DEFAULT
        total += sum(own[choice][fold::_FOLDS])
    return total / count
