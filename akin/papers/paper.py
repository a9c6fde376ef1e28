"""Record of one paper."""

from __future__ import annotations

from datetime import date

import msgspec

from akin.papers.arxiv_id import parse_arxiv_id
from akin.papers.authors import Author
from akin.papers.publication import Publication


# gc=False: a paper holds strings, dates, and tuples of strings and of authors, so it cannot be part of a reference
# cycle, and a corpus has millions of papers.
class Paper(msgspec.Struct, frozen=True, gc=False):
    """Paper from any source.

    Attributes:
        id: the identifier in the source, unique in a corpus; for arXiv papers without a version.
        title: on one line; may be empty when the abstract is not.
        abstract: paragraphs, separated by a line break; may be empty when the title is not.
        authors: people and collaborations, in the order of the source.
        categories: codes, the primary one first.
        published: the day of the first version.
        updated: the day of the newest version.
        doi: the first DOI that the source states, bare: without a prefix or the address of a resolver.
        journal_ref: the journal reference, as the source writes it.
        versions: the number of versions; 0 if the source does not state it.
        comments: the authors' comments ("12 pages, 3 figures"), on one line.
        withdrawn: True if the authors or the repository withdrew the paper.
        authors_parsed: True if the source itself divides the names into their parts.
        publication: the publication as an entry of a library states it; unset for other sources, so that their records
            keep their digest.
    """

    id: str
    title: str
    abstract: str
    authors: tuple[Author, ...] = ()
    categories: tuple[str, ...] = ()
    published: date | None = None
    updated: date | None = None
    doi: str | None = None
    journal_ref: str | None = None
    versions: int = 0
    comments: str | None = None
    withdrawn: bool = False
    authors_parsed: bool = False
    publication: Publication | msgspec.UnsetType = msgspec.UNSET

    @property
    def arxiv_id(self) -> str | None:
        """Canonical arXiv id if the paper's id is an arXiv id, otherwise None."""
        found = parse_arxiv_id(self.id)
        return found.id if found else None
