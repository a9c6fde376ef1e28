"""Guess the language of a query by its script and by frequent small words; a share of many queries, never one, counts.

A query has few words, and detectors of languages are wrong on short texts in which most words are names and terms. The
question here is whether another language appears, for which this is enough.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

_WORD = re.compile(r"[^\W\d_]+")
_SMALL_WORDS = {
    "en": "the of and in for with on to a an is are by from what how which does do using between at as can",
    "de": "der die das und von für mit auf zu ein eine ist sind im den dem des wie was welche bei durch über nicht",
    "fr": "le la les des du et en pour avec sur un une est sont dans par quelle comment au aux que qui l d",
    "es": "el los las del y en para con por una es son como qué cuál sobre entre al se",
    "it": "il lo gli della dei di e per con su una è sono come che quale nel nella tra",
    "pt": "o os as do da dos das e em para com por uma é são como que no na ao sobre",
    "nl": "het een en van voor met op te zijn is hoe wat welke bij door niet",
    "pl": "i w z na do o jest są dla jak co przez od nie się",
    "tr": "ve bir bu için ile nasıl ne olan gibi daha",
    "vi": "và của trong cho với là các một những được",
}
_LANGUAGES: dict[str, set[str]] = {language: set(words.split()) for language, words in _SMALL_WORDS.items()}


def language_of(text: str) -> str:
    """Return a language such as `en`, a script such as `cyrillic`, `latin` without a known word, or `none`."""
    words = _WORD.findall(text)
    scripts = Counter(_script(word[0]) for word in words)
    if not scripts:
        return "none"
    script = scripts.most_common(1)[0][0]
    if script != "latin":
        return script
    small = [word.lower() for word in words]
    found = {language: sum(word in known for word in small) for language, known in _LANGUAGES.items()}
    best = max(found, key=lambda language: found[language])
    return best if found[best] else "latin"


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "other").partition(" ")[0].lower()
    return "han" if name == "cjk" else name
