"""Chase references: find papers that the best results of a search cite, or are cited by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from akin.papers.text import display_text
from retrieval_service.ports import Catalogue, References, Rows, RowSet
from retrieval_service.search.answer import ChasedPaper, CitationCounts

SEEDS = 10
"""Best results whose references and citations are read."""

MOST = 20
"""Papers that are chased at most."""

_NAMED, _LONGEST = 3, 60


def chase(
    ranking: Rows, without: Sequence[int], references: References, catalogue: Catalogue, within: RowSet | None
) -> list[ChasedPaper]:
    """Return the papers that are linked with most of the best results, in either direction.

    The score of a paper is the sum of the weights of the results that it is linked with, divided by that of all; the
    result of rank r, from 1, weighs 1 / log2(1 + r), as in DCG. Of equal scores the most cited paper is first.

    Args:
        ranking: Rows, best first.
        without: Rows that are not wanted, beside the best results.
        references: Who cites whom.
        catalogue: The papers.
        within: The rows that the conditions of the search admit; None for all.
    """
    seeds = ranking[:SEEDS]
    weights = 1.0 / np.log2(np.arange(len(seeds)) + 2.0)
    lists = [(references.cites(row), references.cited_by(row)) for row in seeds.tolist()]
    linked = [np.union1d(cites, cited_by) for cites, cited_by in lists]
    if not linked:
        return []
    rows, places = np.unique(np.concatenate(linked), return_inverse=True)
    scores = np.zeros(len(rows))
    np.add.at(scores, places, np.repeat(weights, list(map(len, linked))))
    wanted = ~np.isin(rows, [*seeds.tolist(), *without])
    if within is not None:
        wanted &= within.mask[rows]
    rows, scores = rows[wanted], scores[wanted] / weights.sum()
    order = np.lexsort((rows, -references.totals[rows].astype(np.int64), -scores))[:MOST]
    best = catalogue.papers(seeds.tolist())
    ids, titles = [paper.id for paper in best], [display_text(paper.title) for paper in best]
    chosen = rows[order].tolist()
    # A paper may be cited by thousands, of which few are chosen.
    cites, cited_by = ([set(np.intersect1d(some, chosen).tolist()) for some in way] for way in zip(*lists, strict=True))
    found = []
    for paper, row, score in zip(catalogue.papers(chosen), chosen, scores[order].tolist(), strict=True):
        citing = [place for place, those in enumerate(cites) if row in those]
        cited = [place for place, those in enumerate(cited_by) if row in those]
        found.append(
            ChasedPaper.of(
                paper,
                score=round(score, 6),
                cited_by=[ids[place] for place in citing],
                cites=[ids[place] for place in cited],
                why=_why(citing, cited, titles),
                citations=CitationCounts.of(references, row),
            )
        )
    return found


def _why(citing: Sequence[int], cited: Sequence[int], titles: Sequence[str]) -> str:
    """Return in words with which of the best results a paper is linked."""
    ways = (("cited by", citing), ("cites", cited))
    return "; ".join(
        f"{way} {len(places)} of the {len(titles)} best results: {_named([titles[place] for place in places])}"
        for way, places in ways
        if places
    )


def _named(titles: Sequence[str]) -> str:
    shown = [f"{title[:_LONGEST].rstrip()}…" if len(title) > _LONGEST else title for title in titles[:_NAMED]]
    more = f" and {len(titles) - _NAMED} more" if len(titles) > _NAMED else ""
    return f"{', '.join(shown)}{more}"
