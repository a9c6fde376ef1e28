r"""BibTeX: UTF-8 with Unicode letters, TeX's own signs escaped, mathematics as it is.

Styles write titles in small letters. Braces protect a word that has a capital behind its first letter (BERT, arXiv,
McKay), a capital and a digit (M2) or points (U.S., Ph.D.), a word of one capital (X-ray, D-brane) but the first word
and the article A, and mathematics with a capital. BibTeX counts braces without regard to backslashes: all braces of a
value are in pairs.
"""

from __future__ import annotations

import re

from akin.papers.authors import Author
from akin.papers.citation.work import Work, split_mathematics

_SPECIAL = re.compile(r"[\\{}&%#_$^~]")
_ESCAPED = {
    "\\": r"\textbackslash{}",
    "{": r"\textbraceleft{}",
    "}": r"\textbraceright{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "$": r"\$",
}
# An abbreviation with points (U.S., Ph.D.) is one word.
_WORD = re.compile(r"(?<![\w.])(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}(?!\w)\.?|[^\W_]+")
_MATH_SPECIAL = re.compile(r"\\.|[%#]")
_NOT_IN_AN_ADDRESS = re.compile(r"[{}\\%\s]")
_VENUES = {"article": "journal", "misc": "howpublished", "unpublished": "howpublished"}
_PUBLISHERS = {"phdthesis": "school", "mastersthesis": "school", "techreport": "institution"}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_AND = re.compile(r"\band\b", re.IGNORECASE)


def bibtex_entry(key: str, work: Work) -> str:
    """Return the entry of a work with its key."""
    published = work.published
    venue = "" if not published else "booktitle" if published.is_conference else "journal"
    kind = work.kind or {"": "misc", "journal": "article", "booktitle": "inproceedings"}[venue]
    venue = _VENUES.get(work.kind, "booktitle") if work.kind else venue
    fields = [
        ("title", _title(work.title)),
        ("editor" if work.edited else "author", " and ".join(map(_author, work.authors))),
        ("year", str(work.year or "")),
    ]
    if published:
        fields += [
            (venue, escape(published.venue)),
            ("series", escape(published.series)),
            ("volume", escape(published.volume)),
            ("number", escape(published.number.replace("-", "--"))),
            ("pages", escape(published.pages.replace("-", "--"))),
        ]
    fields.append((_PUBLISHERS.get(work.kind, "publisher"), escape(work.publisher)))
    fields.append(("doi", _address(work.doi or "")))
    if work.arxiv_id:
        fields += [("eprint", work.arxiv_id), ("archivePrefix", "arXiv"), ("primaryClass", escape(work.category))]
    fields += [("url", _address(work.url or "")), ("note", escape(work.note))]
    lines = [f"  {name} = {{{value}}}," for name, value in fields if value]
    if work.kind and work.date:
        after_year = 1 + next(at for at, line in enumerate(lines) if line.startswith("  year "))
        lines.insert(after_year, f"  month = {_MONTHS[work.date[1] - 1]},")  # without braces: styles know the name
    return "\n".join([f"@{kind}{{{key},", *lines, "}", ""])


def escape(text: str) -> str:
    """Return a text as TeX that prints it; mathematics is kept if its braces are in pairs, otherwise it is text."""
    return "".join(_mathematics(part) if is_math else _text(part) for part, is_math in _parts(text))


def _title(title: str) -> str:
    pieces: list[str] = []
    for part, is_math in _parts(title):
        if is_math:
            math = _mathematics(part)
            pieces.append(f"{{{math}}}" if re.search("[A-Z]", math) else math)
            continue
        at = 0
        for word in _WORD.finditer(part):
            pieces.append(_text(part[at : word.start()]))
            begins = (
                not "".join(pieces).strip() if len(pieces) < 3 else pieces[-1].rstrip().endswith((":", "?", "!", "."))
            )
            keep = _must_keep(word[0], begins)
            pieces.append(f"{{{word[0]}}}" if keep else word[0])
            at = word.end()
        pieces.append(_text(part[at:]))
    return "".join(pieces)


def _must_keep(word: str, begins: bool) -> bool:
    if len(word) == 1:
        return word.isupper() and word != "A" and not begins
    if "." in word:
        return word != word.lower()
    return word[1:] != word[1:].lower() or (word != word.lower() and any(map(str.isdigit, word)))


def _author(author: Author) -> str:
    family, given, suffix = (_text(part) for part in (author.family, author.given, author.suffix))
    if author.collaboration or not given:
        if author.family.lower().rstrip(".") == "et al":
            return "others"
        name = f"{family} {suffix}".strip()
        is_one_word = name.isalpha() and name.lower() not in ("and", "others")
        return name if is_one_word and not author.collaboration else f"{{{name}}}"
    return ", ".join(_name_part(part) for part in (family, suffix, given) if part)


def _name_part(part: str) -> str:
    return f"{{{part}}}" if "," in part or _AND.search(part) else part


def _parts(text: str) -> list[tuple[str, bool]]:
    """Return the parts of a text, each with True if it is mathematics that BibTeX can hold."""
    parts = []
    for part, is_math in split_mathematics(text):
        holds = is_math and _is_balanced(_named_braces(part))
        parts.append((part if holds or not is_math else f"${part}$", holds))
    return parts


def _mathematics(inner: str) -> str:
    # A comment or a parameter would end the document; an escaped sign stays as it is.
    escaped = _MATH_SPECIAL.sub(lambda found: found[0].rjust(2, "\\"), _named_braces(inner))
    return f"${escaped}$"


def _named_braces(inner: str) -> str:
    """Return mathematics with names for its printed braces, unless they are in pairs, which BibTeX accepts."""
    if ("\\{" not in inner and "\\}" not in inner) or _is_balanced(inner):
        return inner
    return re.sub(r"\\(.)", lambda found: {"{": r"\lbrace ", "}": r"\rbrace "}.get(found[1], found[0]), inner)


def _is_balanced(inner: str) -> bool:
    depth = 0
    for brace in re.findall("[{}]", inner):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    # A backslash at the end would escape what follows.
    return depth == 0 and not re.search(r"(?<!\\)(?:\\\\)*\\$", inner)


def _text(text: str) -> str:
    return _SPECIAL.sub(lambda found: _ESCAPED[found[0]], text)


def _address(text: str) -> str:
    """Return a DOI or an address, which styles print as it is, without what would end a value or a command."""
    return _NOT_IN_AN_ADDRESS.sub(lambda found: found[0] if found[0] == "%" else f"%{ord(found[0]):02X}", text)
