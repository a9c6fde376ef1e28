"""Characters of a source's text: entities, invisible characters and compatibility forms become plain characters."""

from __future__ import annotations

import html
import html.entities
import re
import unicodedata

# With a semicolon only, since `&` is a letter's neighbour in TeX and in names. A page may escape a text more than once.
_ENTITY = re.compile(r"(\\?)&(?:amp;|#38;|#[xX]26;){0,3}(#\d{1,8}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_LINE_END = re.compile("\r\n?|[\x0b\x0c\x85\u2028]")
# Unicode's default-ignorable characters and a few more that print nothing (UAX #44, DerivedCoreProperties):
# joiners of words, marks of direction, variation selectors, fillers, tags, annotations.
_INVISIBLE = re.compile(
    "[\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff9-\ufffc\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ufdd0-\ufdef\ufffe\uffff]+"
)
# A soft hyphen marks a place where a line may end; white space behind it is the line end that was made there.
_SOFT_HYPHEN = re.compile("\u00ad[\u00ad\\s]*+")
# Zero-width space and (non-)joiner are spelling in the scripts from Arabic to Mongolian, and joiners in emoji.
_ZERO_WIDTH = re.compile(
    "(?<![\u0600-\u109f\u1780-\u18af\ua800-\uabff\U00010a00-\U00011fff\u2600-\u27bf\U0001f000-\U0001faff])"
    "[\u200b-\u200d]+"
)
# Forms that print as other characters do and that nobody types: ligatures, presentation forms, letters of full width
# and half width, radicals, mathematical alphabets. Other compatibility characters (², ½, ℝ, ™) keep what they say.
_FORMS = re.compile(
    "[\u2e80-\u2fd5\ufb00-\ufdff\ufe70-\ufefc\uff0d\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9f\uffa1-\uffdc"
    "\U0001d400-\U0001d7ff]+"
)
_HYPHENS = str.maketrans("\u2010\u2011\u2800", "-- ")
# Normalisation sorts adjacent marks in quadratic time. Unicode's stream-safe format (UAX #15) allows 30 of them.
_MARKS = frozenset({"Mn", "Me"})
MOST_MARKS = 30
"""Combining marks in a row that `few_marks` keeps."""
# Marks of no script in particular: hundreds on one letter are one character, which no line can end in.
_MANY_MARKS = re.compile(
    f"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{{{MOST_MARKS + 1}}}"
)


def clean_characters(text: str) -> str:
    r"""Return the text in NFC with plain characters; all line ends become `\n`, white space else stays."""
    if "&" in text:
        text = _ENTITY.sub(_character, text)
    if "\r" in text or "\x0b" in text or "\x0c" in text:
        text = _LINE_END.sub("\n", text)
    if text.isascii():
        return text
    text = _LINE_END.sub("\n", text.replace("\u2029", "\n\n"))
    text = _ZERO_WIDTH.sub("", _INVISIBLE.sub("", _SOFT_HYPHEN.sub("", text)))
    text = _FORMS.sub(lambda found: unicodedata.normalize("NFKC", few_marks(found[0])), text.translate(_HYPHENS))
    if _MANY_MARKS.search(text):
        text = few_marks(text)
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", few_marks(text))


def few_marks(text: str) -> str:
    """Return the text without the combining marks that follow 30 others; it is safe to normalise."""
    kept, row = [], 0
    for letter in text:
        row = row + 1 if unicodedata.category(unicodedata.normalize("NFKD", letter)[0]) in _MARKS else 0
        if row <= MOST_MARKS:
            kept.append(letter)
    return "".join(kept)


def _character(found: re.Match[str]) -> str:
    name = found[2]
    if not name.startswith("#") and f"{name};" not in html.entities.html5:
        return found[0]
    if found[1] and name != "amp":
        return found[0]  # TeX's \& before a word and a semicolon
    return found[1] + html.unescape(f"&{name};")
