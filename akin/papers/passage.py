"""Definition of the text that is embedded for a paper."""

from __future__ import annotations

from akin.papers.paper import Paper
from akin.papers.sentences import ends_sentence

PASSAGE_TEXT_VERSION = 2
"""Increase this number when the text of `passage_text` changes for papers of a source.

1: titles and abstracts as the source has them. 2: they are cleaned (`akin.papers.text`), which changes few. An update
cleans the papers of a snapshot of version 1, and embeds those whose text differs.
"""


def passage_text(paper: Paper) -> str:
    """Return the text that is embedded for a paper: its title, a full stop, its abstract.

    A title that already ends as a sentence gets no full stop. Runs of whitespace become one space. Without a
    title the text is the abstract, without an abstract the title, and without both it is empty.
    """
    title = " ".join(paper.title.split())
    abstract = " ".join(paper.abstract.split())
    if not title or not abstract:
        return title or abstract
    return f"{title} {abstract}" if ends_sentence(title) else f"{title}. {abstract}"
