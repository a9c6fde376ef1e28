"""The one definition of the text that stands for a paper in an embedding."""

from __future__ import annotations

from papers.paper import Paper

PASSAGE_TEXT_VERSION = 1
"""Raised whenever `passage_text` would give any paper another text: vectors of two versions do not mix."""

_SENTENCE_END = (".", "!", "?", "…", "。", "！", "？")
_CLOSING = "\"'”’»)]"


def passage_text(paper: Paper) -> str:
    """The text that is embedded for a paper: its title, a full stop, its abstract.

    A title that already ends as a sentence gets no second stop. Runs of whitespace become one space. Without a
    title the text is the abstract, without an abstract the title, and without both it is empty.
    """
    title = " ".join(paper.title.split())
    abstract = " ".join(paper.abstract.split())
    if not title or not abstract:
        return title or abstract
    ended = title.rstrip(_CLOSING).endswith(_SENTENCE_END)
    return f"{title} {abstract}" if ended else f"{title}. {abstract}"
