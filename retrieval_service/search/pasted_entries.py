"""Read the entries of BibTeX that someone pastes into the query box."""

from __future__ import annotations

import re
from itertools import islice

from akin.papers.bibliography.references import Reference, TooManyReferences, read_references
from retrieval_service.search.named_papers import MOST_NAMED

_LONGEST = 8_000  # characters
_ENTRY = re.compile(r"\s*+@[a-z]{3,20}+\s*+[{(]", re.IGNORECASE)


def is_entry(text: str) -> bool:
    """Return True if a text begins as an entry of BibTeX does."""
    return len(text) <= _LONGEST and _ENTRY.match(text) is not None


def pasted_entries(text: str) -> tuple[Reference, ...]:
    """Return the first entries of a text of BibTeX that can be read; none for another text."""
    if not is_entry(text):
        return ()
    try:
        found = tuple(islice(read_references(text, MOST_NAMED)[1], MOST_NAMED))
    except TooManyReferences:
        return ()
    return tuple(each for each in found if not each.problem)
