"""Searches for one known paper: a part of it is the query, and the rest of it the one right answer."""

from __future__ import annotations

import re

from akin.papers import Paper
from akin.papers.sentences import split_sentences
from akin.relevance.kinds.search import SHORTEST_PASSAGE, Search
from akin.relevance.kinds.words import content_words

# Words that mean something in the sentences before, which a query does not have.
_POINTER = re.compile(
    r"\b(?:this|these|those|such|they|them|their|his|her|former|latter|here|above|following|our|ours|its|herein|hence|"
    r"therefore|however|then|thus|also|moreover|furthermore|paper|article|section|so|else|otherwise|same|previous|"
    r"you|your|proposed|resulting|obtained|considered|aforementioned|"
    r"the (?:method|algorithm|model|system|result|scheme|approach|problem|solution|technique|framework)s?)\b",
    re.IGNORECASE,
)
_INTERROGATIVE = (
    r"(?:what|how|why|when|where|which|who|whose|whom|whether|is|are|was|were|do|does|did|can|could|should|would|will|"
    r"may|might|must|has|have|to what extent|in what|in which|under what|under which|at what|for which|for what|"
    r"by what|on what|with what|from where)\b"
)
# A question starts after the last mark that may introduce it.
_QUESTION = re.compile(rf"(?:^|[:;.\-–—\"“`'(]\s*)({_INTERROGATIVE}[^?:;\"“”]{{10,300}}\?)", re.IGNORECASE)
_LABEL = re.compile(r"[(\[]?(?:[QR]Q?\s?\d|\d|[ivx]+)[)\].:]", re.IGNORECASE)
_CLAIM = re.compile(
    r"(?:(?:here|first|second|third|finally|furthermore|moreover|also|then|additionally|in addition|in particular|"
    r"specifically|in this (?:paper|work|article|study|letter|note)|to this end|overall|interestingly),?\s)?"
    r"(?:we|i)\s(?:(?:also|further|then|now|first|finally|rigorously|numerically|experimentally|theoretically|"
    r"empirically|analytically|explicitly)\s)?"
    r"(?:show|prove|find|demonstrate|establish|observe|conclude|discover|confirm|report)"
    r"(?:\s(?:here|analytically|numerically|experimentally|rigorously))?\sthat,?\s(.{20,400})",
    re.IGNORECASE,
)
_FEWEST_TITLE_WORDS = 3
_QUESTION_WORDS = 5, 40
_CLAIM_WORDS = 6, 40
_FEWEST_CONTENT_WORDS = 3
_DRAFT_WORDS = 40


def title_search(paper: Paper) -> Search | None:
    """Return the title as query for the abstract; None for a title of less than three words."""
    if len(paper.title.split()) < _FEWEST_TITLE_WORDS or len(paper.abstract) < SHORTEST_PASSAGE:
        return None
    return Search(paper, paper.title, ("", paper.abstract))


def question_search(paper: Paper) -> Search | None:
    """Return a question of the title or the abstract as query for the rest of the paper; None if none stands alone.

    A title's question takes the title out of the passage, a question of the abstract its sentence.
    """
    if "?" in paper.title and len(paper.abstract) >= SHORTEST_PASSAGE and (query := _question(paper.title)):
        return Search(paper, query, ("", paper.abstract))
    if "?" not in paper.abstract:
        return None
    sentences = split_sentences(paper.abstract)
    for place, sentence in enumerate(sentences):
        if query := _question(sentence):
            return _without_sentence(paper, sentences, place, query)
    return None


def claim_search(paper: Paper) -> Search | None:
    """Return the statement of a sentence "We show that …" as query for the rest of the paper; None if there is none."""
    sentences = split_sentences(paper.abstract)
    for place, sentence in enumerate(sentences):
        match = _CLAIM.fullmatch(sentence.strip())
        if match and not match[1].casefold().startswith("it ") and _stands_alone(match[1], _CLAIM_WORDS):
            statement = match[1].rstrip(".")
            return _without_sentence(paper, sentences, place, statement[0].upper() + statement[1:])
    return None


def draft_search(paper: Paper) -> Search | None:
    """Return the abstract's first sentences as query for the title and the rest.

    These are as many sentences as have 40 words, at most half of all, at least one; None for an abstract that is
    too short.
    """
    sentences = split_sentences(paper.abstract)
    opening: list[str] = []
    while len(opening) < len(sentences) // 2 and sum(len(part.split()) for part in opening) < _DRAFT_WORDS:
        opening.append(sentences[len(opening)])
    rest = " ".join(sentences[len(opening) :])
    query = " ".join(opening)
    if len(content_words(query)) < 2 * _FEWEST_CONTENT_WORDS or len(rest) < SHORTEST_PASSAGE or not paper.title:
        return None
    return Search(paper, query, (paper.title, rest))


def _question(text: str) -> str | None:
    for match in _QUESTION.finditer(text):
        question = match[1].strip()
        if _stands_alone(question, _QUESTION_WORDS) and not _LABEL.search(question):
            return question[0].upper() + question[1:]
    return None


def _stands_alone(text: str, words: tuple[int, int]) -> bool:
    """Return True if a text has a usual length, names a subject, and points at nothing outside itself."""
    fewest, most = words
    return (
        fewest <= len(text.split()) <= most
        and len(content_words(text)) >= _FEWEST_CONTENT_WORDS
        and not _POINTER.search(text)
        and all(text.count(opening) == text.count(closing) for opening, closing in ("()", "[]", "{}"))
    )


def _without_sentence(paper: Paper, sentences: list[str], place: int, query: str) -> Search | None:
    rest = " ".join(sentences[:place] + sentences[place + 1 :])
    return Search(paper, query, (paper.title, rest)) if len(rest) >= SHORTEST_PASSAGE else None
