"""Authors: people and collaborations, from names in whatever manner a source writes them.

A name is divided by arXiv's own rule (`person`), a printed list is cut into names (`printed`), and what is no person in
a list is recognised (`roles`). arXiv's `authors_parsed` wins over the rule where it divides a name in another way
(`divided`).
"""

from __future__ import annotations

from akin.papers.authors.author import MORE_AUTHORS, Author
from akin.papers.authors.divided import divided_authors, snapshot_authors
from akin.papers.authors.printed import listed_authors, parse_author, parse_authors

__all__ = [
    "MORE_AUTHORS",
    "Author",
    "divided_authors",
    "listed_authors",
    "parse_author",
    "parse_authors",
    "snapshot_authors",
]
