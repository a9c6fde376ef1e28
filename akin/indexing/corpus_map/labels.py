"""Name the regions of a map: by categories where these are densest, and by the words of titles in clusters of points.

The words of a cluster are those that it has more often than others do: class-based TF-IDF, as BERTopic uses it
(Grootendorst 2022). Clusters are those of k-means on the plane, so that a region is a place that can be seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import faiss
import numpy as np
from numpy.typing import NDArray

from akin.indexing.corpus_map.groups import Grouping, archive_of, name_of
from akin.papers.text.display import display_text
from retrieval_service.corpus.map_files import EDGE, Coordinates, MapLabel
from retrieval_service.ports import Rows

_CELLS = 48  # of a side: a category's densest place is found in such squares
_CATEGORIES = 60
_LEAST_SHARE = 0.003  # of the papers, for a category to be named
_REGIONS = ((2, 400, 150), (3, 100, 700))
"""Level, papers of a region, and most regions, of the levels that are named by words."""
_LEAST_PAPERS = 12  # of a region; fewer titles have no words in common
_LEAST_TITLES, _LEAST_TITLES_SHARE = 3, 0.04
_WORDS = 2
_MOST_TERMS = 60_000
_COMMON = (
    "a an the and or of in on for to with from by via at as is are be can do does how what why when where which who "
    "its it their our we this that these those not no non using based use used approach approaches towards toward "
    "study studies analysis method methods new novel some between over under through into within without against "
    "about after before during beyond et al one two three via case review survey paper note notes comment remarks "
    "more most than all any each both through across along versus vs up out"
).split()
_PARTS = re.compile(r"[^\W\d_][\w'’–-]*+|\S")
_LEAST_LETTERS = 2
_TEX = re.compile(r"\$[^$]{0,200}\$|\\[A-Za-z]{1,30}+")


def make_labels(
    coordinates: Coordinates,
    grouping: Grouping,
    placed: NDArray[np.bool_],
    rows: Rows,
    titles: Sequence[str],
    seed: int,
) -> list[MapLabel]:
    """Return the labels of a map, the largest region of a level first.

    Args:
        coordinates: x and y of each row.
        grouping: The categories and groups of all rows.
        placed: True for rows that have a place.
        rows: The rows whose titles are read, all of which have a place.
        titles: Their titles.
        seed: Seed of the clusters.
    """
    where = _in_units(coordinates[placed])
    primary = grouping.primary[placed]
    archives = np.asarray([archive_of(code) for code in grouping.codes])
    labels = _of_categories(0, where, archives, primary) if grouping.by == "archive" else []
    labels += _of_categories(1 if labels else 0, where, np.asarray(grouping.codes), primary)
    levels: Sequence[tuple[int, int, int]] = _REGIONS
    if len({label.text for label in labels}) < 2:
        # Without several categories, the words name the whole map too.
        levels = ((0, max(len(rows) // 8, 1), 10), (1, 1000, 40), *_REGIONS)
    of_titles = _in_units(coordinates[rows])
    for level, papers, most in levels:
        labels += _of_words(level, where, of_titles, titles, min(len(rows) // papers, most), seed)
    return labels


def _in_units(coordinates: Coordinates) -> NDArray[np.float32]:
    """Return coordinates as numbers from 0 to 1."""
    return np.asarray(coordinates / EDGE, np.float32)


def _of_categories(
    level: int, where: NDArray[np.float32], names: NDArray[np.str_], primary: NDArray[np.int32]
) -> list[MapLabel]:
    """Return a label for each large category, or each archive, at its densest place."""
    found = []
    for code in sorted(set(names.tolist())):
        mine = np.isin(primary, np.flatnonzero(names == code))
        count = int(np.count_nonzero(mine))
        if count >= max(_LEAST_SHARE * len(where), 1):
            x, y = _densest(where[mine])
            found.append(MapLabel(level, x, y, name_of(code), count, code))
    found.sort(key=lambda label: (-label.papers, label.text))
    return found[:_CATEGORIES]


def _densest(where: NDArray[np.float32]) -> tuple[float, float]:
    cells = np.minimum((where * _CELLS).astype(np.int64), _CELLS - 1)
    counts = np.zeros((_CELLS + 2, _CELLS + 2), np.int64)
    np.add.at(counts, (cells[:, 0] + 1, cells[:, 1] + 1), 1)
    around = np.sum([np.roll(counts, (dx, dy), (0, 1)) for dx in (-1, 0, 1) for dy in (-1, 0, 1)], axis=0)
    best = np.unravel_index(int(np.argmax(around[1:-1, 1:-1])), (_CELLS, _CELLS))
    near = np.abs(cells - np.asarray(best)).max(axis=1) <= 1
    x, y = where[near].mean(axis=0).tolist()
    return round(x, 4), round(y, 4)


def _of_words(
    level: int,
    where: NDArray[np.float32],
    of_titles: NDArray[np.float32],
    titles: Sequence[str],
    regions: int,
    seed: int,
) -> list[MapLabel]:
    """Return a label for each cluster whose titles have words of their own."""
    if regions < 1 or len(titles) < _LEAST_PAPERS:
        return []
    kmeans = faiss.Kmeans(2, regions, niter=20, seed=seed, max_points_per_centroid=256, min_points_per_centroid=1)
    kmeans.train(of_titles)
    _, mine = kmeans.index.search(of_titles, 1)
    _, all_of = kmeans.index.search(where, 1)
    papers = np.bincount(all_of[:, 0], minlength=regions).tolist()
    labels, seen = [], set()
    for cluster, text in _names(titles, mine[:, 0], regions):
        at = kmeans.centroids[cluster].tolist()
        if text not in seen:
            labels.append(MapLabel(level, round(at[0], 4), round(at[1], 4), text, papers[cluster]))
            seen.add(text)
    return sorted(labels, key=lambda label: -label.papers)


def _names(titles: Sequence[str], clusters: NDArray[np.int64], count: int) -> Iterator[tuple[int, str]]:
    """Yield the number of each cluster that has words of its own, with these."""
    # Imported here: it comes with openTSNE and takes seconds.
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import CountVectorizer

    reader = CountVectorizer(analyzer=terms_of, max_features=_MOST_TERMS, binary=True, dtype=np.float32)
    try:
        found = reader.fit_transform(titles)
    except ValueError:  # no title has a word
        return
    terms = reader.get_feature_names_out()
    members = csr_matrix((np.ones(len(titles), np.float32), (clusters, np.arange(len(titles)))), (count, len(titles)))
    by_cluster = (members @ found).tocsr()
    total = np.asarray(by_cluster.sum(axis=0))[0]
    weight = np.log1p(total.sum() / count / np.maximum(total, 1))
    sizes = np.bincount(clusters, minlength=count)
    for cluster in np.flatnonzero(sizes >= _LEAST_PAPERS).tolist():
        line = by_cluster[cluster]
        often = line.data >= max(_LEAST_TITLES, _LEAST_TITLES_SHARE * sizes[cluster])
        places, scores = line.indices[often], line.data[often] * weight[line.indices[often]]
        # A pair of words says more than either of them.
        scores *= np.asarray([1.6 if " " in terms[place] else 1.0 for place in places], np.float32)
        chosen = _distinct(terms[place] for place in places[np.argsort(-scores, kind="stable")])
        if chosen:
            yield cluster, ", ".join(chosen)


def _distinct(terms: Iterator[str]) -> list[str]:
    """Return the first terms that share no word, plurals included."""
    chosen: list[str] = []
    seen: set[str] = set()
    for term in terms:
        stems = {word.removesuffix("s") for word in term.split()}
        if not stems & seen:
            chosen.append(term)
            seen |= stems
        if len(chosen) == _WORDS:
            break
    return chosen


def terms_of(title: str) -> Iterator[str]:
    """Yield the words of a title, without mathematics and common words, and pairs of words that nothing separates."""
    before = ""
    for word in _PARTS.findall(_TEX.sub(" ; ", display_text(title)).lower()):
        if len(word) < _LEAST_LETTERS or word in _COMMON:
            before = ""
            continue
        yield word
        if before:
            yield f"{before} {word}"
        before = word
