"""Ask the service for the papers of saved searches since a date, each paper once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from akin.digest.saved import SavedSearch
from akin.errors import SearchFailed

_PAPERS = 20
_MOST = 100

Search = Callable[[dict[str, Any]], Mapping[str, Any]]
"""Returns the service's answer to a search."""


@dataclass(frozen=True)
class Section:
    """New papers of a search.

    Attributes:
        name: What the search is called.
        papers: The papers, best first.
        repeated: The number of further papers that an earlier search has already.
        notes: What the service says of the search.
    """

    name: str
    papers: tuple[Mapping[str, Any], ...]
    repeated: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Digest:
    """New papers of several searches.

    Attributes:
        since: The first day.
        newest: The day of the newest paper of the corpus; None if no paper has a date.
        sections: The searches.
    """

    since: str
    newest: str | None
    sections: tuple[Section, ...]

    @property
    def count(self) -> int:
        """The number of papers."""
        return sum(len(section.papers) for section in self.sections)


def collect(saved: Iterable[SavedSearch], since: str, newest: str | None, search: Search) -> Digest:
    """Return the papers of searches since a day.

    Raises:
        SearchFailed: The service refuses a search, or does not answer; the message names the search.
    """
    seen: set[str] = set()
    sections = []
    for one in saved:
        wanted = int(one.body.get("k", _PAPERS))
        # A search that begins later on its own keeps its beginning: a shorter date is the beginning of its time.
        body = one.body | {"from": max(since, str(one.body.get("from", "")))}
        papers: list[Mapping[str, Any]] = []
        repeated = 0
        while True:
            try:
                answer = search(body | {"k": min(_MOST, wanted + len(seen))})
            except SearchFailed as error:
                raise SearchFailed(f"{one.place} ({one.name[:60]}): {error}") from None
            for paper in answer["results"]:
                if len(papers) == wanted:
                    break
                names = {paper["id"], *paper["duplicates"]}
                if names & seen:
                    repeated += 1
                else:
                    papers.append(paper)
                seen |= names
            if len(papers) == wanted or not answer["results"] or not answer.get("next_cursor"):
                break
            body |= {"cursor": answer["next_cursor"]}
        notes = (*filter(None, [answer.get("degraded")]), *answer.get("notes", ()))
        sections.append(Section(one.name, tuple(papers), repeated, notes))
    return Digest(since, newest, tuple(sections))
