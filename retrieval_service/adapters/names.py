"""Words of a name in the lexical index; the same for papers and for queries.

Spellings of one name become the same words: "Schröder", "Schroeder" and "Schroder"; "O'Brien" and "OBrien"; "JP Serre"
and "J.-P. Serre"; "Reyes, Jr., Calvin" and "Calvin Reyes Jr."; "Sergei" and "Sergey"; collaborations with and without
"The". A name in another script has Latin forms besides.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tantivy import TextAnalyzer

from akin.papers import parse_author
from retrieval_service.adapters.tex import to_plain_text
from retrieval_service.adapters.transliteration import latin_forms

_IDEOGRAPHIC = re.compile("[\u3005-\u30ff\u3400-\u9fff\uac00-\ud7a3]{2,12}")
_ORDINARY = re.compile("[A-Za-z. -]{1,60}")
_APOSTROPHE = re.compile("(?<=[^\\W\\d_])['’‘ʼ´`](?=[^\\W\\d_])")
_PREFIX = re.compile(r"\b(d|l|o|m|n|t|dell|dall|all|nell|sant)['’‘ʼ´`](?=[^\W\d_])", re.IGNORECASE)
_TWO_INITIALS = re.compile(r"\b(?!NG)([B-DF-HJ-NP-TV-XZ])([B-DF-HJ-NP-TV-XZ])(?=\s+\w)")
# How ä, ö, ü and å are written without their marks; not in "Bauer", "Quentin" or "Michael".
_DIGRAPH = re.compile(r"(?<![aeiouq])([aou])e(?!l$)|aa")
# How Russian and other names are transliterated in several ways, and the one to which these are folded.
_MAY_VARY = re.compile("ks|y[aeu]|[iy][eo]v|[ijy]$|andr$")
_SPELLINGS = (
    (re.compile("(?<=.)ks(?=.)"), "x"),  # Aleksei, Alexei
    (re.compile("(?<=[bdflmnrstvz])[iy][eo](?=va?$)|(?<=[aeo])ye(?=v)"), "e"),  # Soloviev, Solovyov; Sergeyev
    (re.compile("(?<=[bdlmnrstvz])y(?=[aeu])|(?<=ska)y(?=a$)"), "i"),  # Tatyana, Lyapunov, Kovalevskaya
    (re.compile("[iy][ijy]$|(?<=[gklnr])y$|(?<=[ae]d)y$"), "i"),  # -sky, -skii, -skij, -skiy; Yury, Gennady
    (re.compile("(?<=[ae])[ij]$"), "y"),  # Sergei, Sergej, Nikolai
    (re.compile("(?<=xand)r$"), "er"),  # Aleksandr
)
_SHORTEST_THAT_VARIES = 4  # letters: "Xue" is not "Xu"
_GROUPS = frozenset(
    ("collaboration", "collaborations", "collab", "consortium", "team", "group", "experiment", "project")
)


def name_forms(name: str, analyzer: TextAnalyzer) -> list[list[str]]:
    """Return the words of a name as it is written, then those of its Latin forms if it is in another script."""
    if name.isascii():
        return [name_words(name, analyzer)]
    return [name_words(form, analyzer) for form in _forms(name)]


def indexed_forms(name: str, analyzer: TextAnalyzer) -> list[list[tuple[str, ...]]]:
    """Return the forms by which an author is found, each with the terms of each of its words.

    A word that has several spellings is a term as it is written too, for patterns. "D'Angelo" has the form "D Angelo".
    """
    forms = [name] if name.isascii() else _forms(name)
    if not name.isascii() or "'" in name or "`" in name:
        parts = _PREFIX.sub(r"\1 ", name)
        if parts != name:
            forms.append(parts)
    return [
        [(folded,) if (folded := fold_spellings(word)) == word else (folded, word) for word in _written(form, analyzer)]
        for form in forms
    ]


def _forms(name: str) -> list[str]:
    """Return a name as it is written, without white space in a script that needs none, and in Latin letters."""
    forms = [name, *latin_forms(_in_order(name))]
    closed = "".join(name.split())
    if closed != name and _IDEOGRAPHIC.fullmatch(closed):
        forms.append(closed)
    return forms


def name_words(name: str, analyzer: TextAnalyzer) -> list[str]:
    """Return the words of a name, given names first: "Last, First" is turned round."""
    return [fold_spellings(word) for word in _written(name, analyzer)]


def _written(name: str, analyzer: TextAnalyzer) -> list[str]:
    if _ORDINARY.fullmatch(name):
        # The same as below, without the analyzer, which takes most of the time.
        words = _TWO_INITIALS.sub(r"\1 \2", name).lower().replace(".", " ").replace("-", " ").split()
    else:
        text = to_plain_text(_in_order(name))
        if not text.isascii() or "'" in text or "`" in text:
            text = _APOSTROPHE.sub("", text)
        words = analyzer.analyze(_TWO_INITIALS.sub(r"\1 \2", text))
    return words[1:] if len(words) > 1 and words[0] == "the" and words[-1] in _GROUPS else words


@lru_cache(1 << 14)
def fold_spellings(word: str) -> str:
    """Return a word of lower-case letters with ae, oe, ue and aa as one letter, and in one transliteration."""
    if len(word) < _SHORTEST_THAT_VARIES:
        return word
    if _MAY_VARY.search(word):
        for variant, spelling in _SPELLINGS:
            word = variant.sub(spelling, word)
    return _DIGRAPH.sub(lambda found: found[1] or "a", word) if "e" in word or "aa" in word else word


def _in_order(name: str) -> str:
    name = name.replace("_", " ")
    return parse_author(name).name if "," in name else name
