"""The record every other room works with."""

from __future__ import annotations

from datetime import date

import msgspec

from papers.arxiv_id import parse_arxiv_id


# gc=False: a paper holds strings, dates and tuples of strings, so it can be in no reference cycle, and a corpus is
# millions of them.
class Paper(msgspec.Struct, frozen=True, gc=False):
    """A paper, wherever it came from.

    Attributes:
        id: the name the source gives it, unique in a corpus; for arXiv papers the id without a version.
        title: on one line; may be empty when the abstract is not.
        abstract: on one line; may be empty when the title is not.
        authors: names as they are printed, "First Last".
        categories: codes, the primary one first.
        published: the day of the first version.
        updated: the day of the newest version.
        doi: as the source writes it, without a resolver's address.
        journal_ref: where it appeared.
        versions: how many versions there are; 0 when the source does not say.
    """

    id: str
    title: str
    abstract: str
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    published: date | None = None
    updated: date | None = None
    doi: str | None = None
    journal_ref: str | None = None
    versions: int = 0

    @property
    def arxiv_id(self) -> str | None:
        """The canonical arXiv id when the paper's id is one, else None."""
        found = parse_arxiv_id(self.id)
        return found.id if found else None
