"""Words of a name in the lexical index; the same for papers and for queries.

Spellings of one name become the same words: "Schröder", "Schroeder" and "Schroder"; "O'Brien" and "OBrien"; "JP Serre"
and "J.-P. Serre"; "Reyes, Jr., Calvin" and "Calvin Reyes Jr."; collaborations with and without "The".
"""

from __future__ import annotations

import re

from tantivy import TextAnalyzer

from papers import parse_author
from retrieval_service.adapters.tex import to_plain_text

_APOSTROPHE = re.compile("(?<=[^\\W\\d_])['’‘ʼ´`](?=[^\\W\\d_])")
_TWO_INITIALS = re.compile(r"\b(?!NG)([B-DF-HJ-NP-TV-XZ])([B-DF-HJ-NP-TV-XZ])(?=\s+\w)")
# How ä, ö, ü and å are written without their marks; not in "Bauer", "Quentin" or "Michael".
_DIGRAPH = re.compile(r"(?<![aeiouq])([aou])e(?!l$)|aa")
_SHORTEST_WITH_DIGRAPH = 4  # letters: "Xue" is not "Xu"
_GROUPS = frozenset(
    ("collaboration", "collaborations", "collab", "consortium", "team", "group", "experiment", "project")
)


def name_words(name: str, analyzer: TextAnalyzer) -> list[str]:
    """Return the words of a name, given names first: "Last, First" is turned round."""
    name = name.replace("_", " ")
    if "," in name:
        name = parse_author(name).name
    text = to_plain_text(name)
    if not text.isascii() or "'" in text or "`" in text:
        text = _APOSTROPHE.sub("", text)
    words = [fold_digraphs(word) for word in analyzer.analyze(_TWO_INITIALS.sub(r"\1 \2", text))]
    return words[1:] if len(words) > 1 and words[0] == "the" and words[-1] in _GROUPS else words


def fold_digraphs(word: str) -> str:
    """Return a word of lower-case ASCII letters with ae, oe, ue and aa as one letter."""
    if len(word) < _SHORTEST_WITH_DIGRAPH or not ("e" in word or "aa" in word):
        return word
    return _DIGRAPH.sub(lambda found: found[1] or "a", word)
