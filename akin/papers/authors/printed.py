r"""Cutting of a printed list of authors into names.

Names are separated by commas, "and", "&" or semicolons, also of full width; "X Collaboration: A. Lind" has a colon.
Affiliations stand in brackets, which may be nested, and of which the last one may be open. "Lind, Ada; Reyes, Bo" and
"Lind, A., Reyes, B." have the family names first.

The lists are untrusted text: all work grows linearly with their length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from akin.papers.authors.author import Author
from akin.papers.authors.person import divide, divide_inverted, is_suffix, tidy
from akin.papers.authors.roles import (
    UNUSUAL_WORDS,
    Name,
    authors_of,
    group_in_brackets,
    initials_last,
    is_institution,
    join_initials,
)
from akin.papers.text import clean_text

UNUSUAL = re.compile(rf"[^\w\s,.'’‐-]|[\d_]|{UNUSUAL_WORDS}", re.IGNORECASE)
_AND = re.compile(r",? (?:and|&|\\&|\\and|und|et(?! al)) (?:and )?", re.IGNORECASE)
_SIGNS = str.maketrans(
    {"，": ",", "、": ",", "﹐": ",", "；": ";", "﹔": ";", "|": ";", "：": ":"}
    | {"（": "(", "）": ")", "［": "(", "］": ")", "【": "(", "】": ")", "[": "(", "]": ")"}
    | dict.fromkeys("⁰¹²³⁴⁵⁶⁷⁸⁹", "")
)  # fmt: skip
_BRACKET = re.compile(r"([()])")
_MARKS = re.compile(
    r"\$\s?\^[^$]*+\$|<sup>[^<]*+</sup>"
    r"|\\(?:thanks|footnote|footnotemark|inst|textsuperscript|email|affiliation|altaffiliation|orcidlink)\b\s?\{[^{}]*+\}"
    r"|(?<!\\)\^(?:\{[^{}]*+\}|[\d*])"
)
_TEX_SPACES = re.compile(r"\\(?:[ ,;!]|\\)")
_TIE = re.compile(r"(?<!\\)~(?![a-z])|(?<!\\)~(?=(?:v[ao]n|de[rlnm]?|della|d[iau]|la|le|ter)\b)")
_ACCENT_SPACE = re.compile(r"(\\[`'^\"=.])\s++(?=[\w\\{])")
_ACCENT_OF_LETTER = re.compile(r"(\\[uvHtcdbrk])\s++([A-Za-z])")
_LETTER_SPACE = re.compile(r"(\\(?:[oOlLij]|ss|ae|AE|oe|OE|aa|AA|dh|DH|th|TH|ng|NG))\s++(?=[A-Za-z])")
_APPENDIX = re.compile(r",? ?\bwith (?:an?|the) (?:appendix|appendices|contributions?)(?: \w+)? by ", re.IGNORECASE)
_SEPARATED = re.compile(r"[.,;]| and ")
_LETTER = re.compile(r"[^\W\d_]")
_BRACES = re.compile(r"\{([^{}\\]++)\}")


def parse_authors(text: str) -> tuple[Author, ...]:
    """Return the authors in a printed list, in its order; affiliations are left out."""
    text = clean_text(text)
    if UNUSUAL.search(text) is None:
        if " and " in text or " And " in text or " AND " in text:
            groups = _AND.split(text)
            if "," in groups[-1] and _have_family_first(groups, strict=True):
                return tuple(map(divide_inverted, groups))
            text = ",".join(groups)
        parts = [part for part in map(tidy, text.split(",")) if part]
        if all(" " in part and part[-2] != " " and not part[-1].isupper() for part in parts):
            return tuple(map(divide, parts))
        return tuple(authors_of(join_initials([(part, None) for part in parts])))
    text = _without_marks(text)
    for cut in (_without_brackets(text), _BRACKET.sub(" ", text)):
        if found := authors_of(_names(cut)):
            return tuple(found)
    return ()


def listed_authors(names: Iterable[str]) -> tuple[Author, ...]:
    """Return the authors of a list of names, of which one may be a printed list itself."""
    texts = [tidy(_without_marks(clean_text(name))) for name in names]
    if len(texts) > 1 and (turned := initials_last([(text, None) for text in texts])):
        return tuple(authors_of(turned))
    found: list[Name] = []
    for text in texts:
        if "," in text and _have_family_first([text], strict=False):
            author = divide_inverted(text)
            found.append((author.name, author))
        else:
            found += [(author.name, author) for author in parse_authors(text)]
    return tuple(authors_of(found))


def parse_author(name: str) -> Author:
    """Return the author of a name that stands alone: "Calvin Reyes Jr.", "Reyes, Jr., Calvin", "X Collaboration"."""
    name = tidy(_without_marks(clean_text(name)))
    if "," in name:
        return divide_inverted(name)
    if UNUSUAL.search(name) is None:
        return divide(name)
    found = authors_of([(name, None)])
    return found[0] if found else Author(name)


def _names(text: str) -> list[Name]:
    """Return the names in a list without brackets."""
    divided = ";" in text
    groups = [group for group in map(tidy, text.split(";") if divided else _AND.split(text)) if group.strip(" ,")]
    if (divided or len(groups) > 1) and _have_family_first(groups, strict=not divided):
        return [(author.name, author) for author in map(divide_inverted, groups)]
    group: list[Name] = []
    before, colon, behind = text.partition(":")
    if colon and behind.strip() and not _SEPARATED.search(before) and _LETTER.search(before):
        name, text = tidy(before), behind
        group = [(name, Author(name, collaboration=True))]
    parts = re.split("[,:]", _AND.sub(",", text.replace(";", ",")))
    return group + join_initials([(part, None) for part in map(tidy, parts) if part])


def _have_family_first(groups: list[str], *, strict: bool) -> bool:
    """Return True if every group of a list is one name with its family name before a comma."""
    people = 0
    for group in groups:
        parts = [part for part in group.split(",") if part.strip()]
        if not parts:
            return False
        family, *others = parts
        others = [part for part in others if not is_suffix(part.strip())]
        if not others and authors_of([(group, None)])[:1] == [Author(group.strip(" ,"), collaboration=True)]:
            continue
        words = divide(f"A {family}").family.count(" ") + 1
        if len(others) != 1 or "." in family or is_institution(group) or (strict and family.count(" ") >= words):
            return False
        people += 1
    return people > 0


def _without_marks(text: str) -> str:
    """Return the text with plain separators and spaces, and without marks of footnotes."""
    text = text.translate(_SIGNS)
    if not text.isascii() or "$" in text or "\\" in text or "^" in text or "<" in text or "@" in text:
        text = _MARKS.sub(" ", text)
    if "@" in text:
        text = " ".join("," * word.endswith(",") if "@" in word else word for word in text.split())
    if "{" in text:
        text = _BRACES.sub(_protected, text)
    return _APPENDIX.sub(",", " ".join(join_tex(text).split()))


def join_tex(text: str) -> str:
    r"""Return the text with TeX spaces as spaces, and without spaces inside accents: `Ili\' c` and `\v S` are words."""
    if "~" in text:
        text = _TIE.sub(" ", text)
    if "\\" not in text:
        return text
    text = _TEX_SPACES.sub(lambda found: "," if found[0] == "\\\\" else " ", text)
    return _LETTER_SPACE.sub(r"\1{}", _ACCENT_OF_LETTER.sub(r"\1{\2}", _ACCENT_SPACE.sub(r"\1", text)))


def _protected(found: re.Match[str]) -> str:
    """Return the content of braces that only keep words together, and other braces as they are."""
    return found[1] if " " in found[1] else found[0]


def _without_brackets(text: str) -> str:
    """Return the text with brackets replaced by a space, or by the collaboration in them.

    Of an open bracket, the rest of the text is its content, unless names with brackets of their own follow.
    """
    if "(" not in text and ")" not in text:
        return text
    kept: list[str] = []
    opened: list[int] = []
    closed: list[int] = []
    for piece in _BRACKET.split(text):
        if piece == "(":
            opened.append(len(kept))
            kept.append("")
        elif piece == ")" and opened:
            start = opened.pop()
            group = group_in_brackets("".join(kept[start:])) if not opened else None
            del kept[start:]
            while closed and closed[-1] >= start:
                closed.pop()
            closed.append(len(kept))
            kept.append(f", {group}, " if group else " ")
        elif piece != ")":
            kept.append(piece)
    return "".join(_without_open_bracket(kept, opened, closed) if opened else kept)


def _without_open_bracket(kept: list[str], opened: list[int], closed: list[int]) -> list[str]:
    start = opened[0]
    group = group_in_brackets("".join(kept[start:]))
    if group:
        return [*kept[:start], ", ", group]
    following = next((place for place in closed if place > start), 0)
    affiliation, comma, name = "".join(kept[start:following]).rpartition(",")
    if not comma or " " not in name.strip() or is_institution(name) or not affiliation.strip():
        return kept[:start]
    return [*kept[:start], ",", name, *kept[following:]]
