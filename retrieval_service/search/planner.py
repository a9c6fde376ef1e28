"""From what was asked to what is searched: ids in the query's place, category patterns, unknown papers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from papers import ALIASES, CATEGORIES, Paper, parse_arxiv_id
from retrieval_service.errors import UnknownCategory, UnknownPaper
from retrieval_service.ports import Catalogue, Filter, Rows
from retrieval_service.search.request import SearchRequest

_TAXONOMY = frozenset(CATEGORIES) | frozenset(ALIASES)
_SUGGESTIONS = 3


@dataclass(frozen=True)
class Plan:
    """What a search does.

    Attributes:
        text: the words to search by; None when papers are searched by papers.
        like: the papers to search by.
        like_rows: their rows, which are never results.
        admitted: what a paper must be; None when any will do.
    """

    text: str | None
    like: list[Paper]
    like_rows: Rows
    admitted: Filter | None


def plan(request: SearchRequest, catalogue: Catalogue) -> Plan:
    """The plan for a request over a corpus.

    A query that is wholly an arXiv id or link means the papers like that one.

    Raises:
        UnknownCategory: a category is neither in the corpus nor in arXiv's taxonomy.
        UnknownPaper: a paper to search by is not in the corpus.
    """
    admitted = _filter(request, catalogue)
    wanted = request.like
    if request.text is not None and parse_arxiv_id(request.text) is not None:
        wanted = (request.text,)
    rows = paper_rows(wanted, catalogue)
    return Plan(
        text=None if wanted else request.text,
        like=catalogue.papers(rows),
        like_rows=np.asarray(rows, np.int64),
        admitted=admitted,
    )


def reads_catalogue(request: SearchRequest) -> bool:
    """Whether planning a request looks anything up."""
    narrowed = bool(request.categories or request.first or request.last)
    return narrowed or bool(request.like) or (request.text is not None and parse_arxiv_id(request.text) is not None)


def paper_rows(ids: Sequence[str], catalogue: Catalogue) -> list[int]:
    """The rows of papers named by their corpus's id or, in any form, by their arXiv id; each once, as named.

    Raises:
        UnknownPaper: the corpus has no such paper.
    """
    if not ids:
        return []
    canonical = {name: found.id for name in ids if (found := parse_arxiv_id(name)) is not None}
    known = catalogue.rows([*ids, *canonical.values()])
    rows = []
    for name in ids:
        row = known.get(name, known.get(canonical.get(name, name)))
        if row is None:
            shown = canonical.get(name, name)
            raise UnknownPaper(
                f"There is no paper {shown[:80]!r} in this corpus; search by its title or abstract instead.",
                {"id": shown[:80]},
            )
        rows.append(row)
    return list(dict.fromkeys(rows))


def category_codes(wanted: Sequence[str], corpus: Collection[str]) -> tuple[str, ...]:
    """The codes meant by codes and patterns: `cs.LG` is itself in whatever case, `cs.*` all of an archive.

    Codes that arXiv has and the corpus lacks are kept: they admit no paper.

    Raises:
        UnknownCategory: neither the corpus nor arXiv has it.
    """
    folded = {code.lower(): code for code in (*sorted(_TAXONOMY), *corpus)}
    codes: dict[str, None] = {}
    for name in wanted:
        lower = name.lower()
        if lower.endswith(".*"):
            # An archive that was divided has papers from before, filed under its bare name.
            archive = lower[:-2]
            found = [code for low, code in folded.items() if low == archive or low.startswith(f"{archive}.")]
        else:
            found = [folded[lower]] if lower in folded else []
        if not found:
            raise _unknown_category(name, folded)
        codes.update(dict.fromkeys(found))
    return tuple(codes)


def _filter(request: SearchRequest, catalogue: Catalogue) -> Filter | None:
    if not (request.categories or request.first or request.last):
        return None
    return Filter(category_codes(request.categories, catalogue.categories), request.first, request.last)


def _unknown_category(name: str, folded: dict[str, str]) -> UnknownCategory:
    shown = name[:40]
    if any(low.startswith(f"{name.lower()}.") for low in folded):
        near = [f"{shown.lower()}.*"]
    else:
        near = [folded[low] for low in get_close_matches(shown.lower(), folded, _SUGGESTIONS, 0.5)]
    hint = f" Did you mean {' or '.join(near)}?" if near else " GET /corpus lists the categories there are."
    return UnknownCategory(f"There is no category {shown!r}.{hint}", {"category": shown, "near": near})
