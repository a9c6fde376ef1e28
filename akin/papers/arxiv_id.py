"""arXiv identifiers in all forms in which users paste them.

The scheme is arXiv's own ("Understanding the arXiv identifier"): until March 2007 `archive/YYMMNNN`, optionally with
a subject class that is not part of the id (`math.GT/0309136` is `math/0309136`); from April 2007 `YYMM.NNNN`; from
January 2015 `YYMM.NNNNN`. Any of them may carry a version, `v3`. What users leave around an id is removed by
`pasted_text`; this module reads the rest: an id with labels, an address, or the name of a file.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from akin.papers.doi import bare_doi, doi_address
from akin.papers.pasted_text import inner_texts, plain_characters, strip_marks

if TYPE_CHECKING:  # paper.py imports this module
    from akin.papers.paper import Paper

OLD_ARCHIVES = frozenset(
    [
        *("acc-phys", "adap-org", "alg-geom", "ao-sci", "astro-ph", "atom-ph", "bayes-an", "chao-dyn", "chem-ph"),
        *("cmp-lg", "comp-gas", "cond-mat", "cs", "dg-ga", "funct-an", "gr-qc", "hep-ex", "hep-lat", "hep-ph"),
        *("hep-th", "math", "math-ph", "mtrl-th", "nlin", "nucl-ex", "nucl-th", "patt-sol", "physics", "plasm-ph"),
        *("q-alg", "q-bio", "quant-ph", "solv-int", "supr-con"),
    ]
)
"""Archives that issued ids before April 2007."""

# Longer texts are abstracts, not links; the bound also limits the time of matching.
_LONGEST = 500
# Of markup around an id: `note = {\href{https://…}{…}}` has three layers.
_MOST_LAYERS = 4
# arXiv has HTML versions of papers submitted since December 2023.
_FIRST_HTML_MONTH = (23, 12)

_FLAGS = re.ASCII | re.IGNORECASE
_VERSION = r"(?:v(?P<version>[1-9]\d{0,3}))?"
_NUMBER = r"(?P<number>\d{4,5})"
_ARCHIVE = r"(?P<archive>[a-z]+(?:-[a-z]+)?)(?:\.[a-z]{2}(?:[a-z-]*[a-z])?)?"
_OLD_NUMBER = r"(?P<old_month>\d{4})(?P<old_number>\d{3})"
_ID = rf"(?:(?P<month>\d{{4}})\.{_NUMBER}|{_ARCHIVE}/?{_OLD_NUMBER}){_VERSION}"
# Names of files and keys cannot hold every sign, so that others replace the dot and the slash.
_LOOSE_ID = rf"(?:(?P<month>\d{{4}})[._-]{_NUMBER}|{_ARCHIVE}[/_:. -]?{_OLD_NUMBER}){_VERSION}"

# A text without these digits holds no id. In a bibcode, the digits are not divided.
_HAS_DIGITS = re.compile(r"\d{4}[._-] ?\d{4}|\d{7}|\.\d{4,5}[a-z.]", _FLAGS)
_EXACT = re.compile(_ID, _FLAGS)

_WORD = r"(?:arxiv(?:\.org)?|corr|e-?prints?|pre-?prints?|abs|pdf|html)"
_MONTHS = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?,?"
_DATE = rf"(?:[a-z]{{3}}, )?(?:\d{{1,2}} )?(?:{_MONTHS} )?(?:\d{{1,2}}, )?(?:19|20)\d\d(?:-\d\d){{0,2}}"
_LABELLED = re.compile(
    # "arXiv preprint arXiv:", "arXiv ID: ", "CoRR abs/", `eprint = {`
    rf"(?:(?:cite as:? )?{_WORD}(?:[^a-z0-9]++(?:{_WORD}|id|identifier|no|number))*+[^a-z0-9]*+)?"
    rf"(?:(?P<month>\d{{4}})(?:\. ?|_){_NUMBER}|{_ARCHIVE}[/_:. -]?{_OLD_NUMBER})"
    r"(?:[ ,]*+[(\[]?v(?:ersion|\.)? ?(?P<version>[1-9]\d{0,3})[)\]]?)?"
    # In the margin of arXiv's PDFs, the category and the day follow the id; in references, categories or the year.
    r"(?: ?[(\[][a-z-]++(?:\.[a-z-]++)?(?:[,;] ?[a-z-]++(?:\.[a-z-]++)?)*+[)\]]?)?"
    rf"(?:(?:[ ,]++|,? ?[(\[]){_DATE}[)\]]?)?"
    r"(?: \(or arxiv:.*)?",
    _FLAGS,
)
_ADDRESS = re.compile(
    r"(?:(?:[a-z][a-z0-9+.-]*+:)?//|(?:[a-z0-9-]++\.)+[a-z]{2,}(?::\d+)?/|(?:doi[:=. ]*+)?(?:doi/)?10\.\d{4,9}/"
    r"|/?(?:arxiv|abs|pdf|html|ps|src|e-print|format|corr|journals|dblp|oai|info|urn|view-source)[:/])\S+",
    _FLAGS,
)
_BETWEEN_PARTS = re.compile(r"[/?&#=:;,+|\s<>()\[\]{}\"']+")
_EXTENSION = re.compile(
    r"(?:\.(?:pdf|ps|eps|dvi|djvu|epub|mobi|html?|tex|txt|tar|t?gz|zip|bib|ris|md|xml|json|docx?|part|crdownload))+$",
    _FLAGS,
)
# "abs-2401-09032" is DBLP's key; "arXiv.2401.09032" is the end of arXiv's DOI.
_ADDRESS_PART = re.compile(rf"(?:arxiv|abs|corr)[._-]?{_LOOSE_ID.replace('?P<', '?P<loose_')}|{_ID}", _FLAGS)
_OTHER_DOI = re.compile(r"10\.(?!48550$)\d{4,9}", re.ASCII)
# Of the ADS: "2024arXiv240109032R", "2007arXiv0704.0001B", and "1999hep.th....1997R" with the month and the number.
_BIBCODE = re.compile(
    r"(?:19|20)\d\darxiv(?P<month>\d{4})\.?(?P<number>\d{4,5})[a-z.]?"
    r"|(?P<century>19|20)(?P<year>\d\d)(?P<archive>[a-z]+(?:\.[a-z]+)?)\.*(?P<in_year>\d{1,2})(?P<old_number>\d{3})[a-z.]?",
    _FLAGS,
)
_FILE_START = re.compile(rf"(?:arxiv[ :._-]*)?{_LOOSE_ID}(?![0-9a-z])", _FLAGS)
_FILE_END = re.compile(
    rf"(?:[_.(\[-]|[_-] )(?:arxiv[ :._-]*)?{_LOOSE_ID}[)\]]?(?: ?\(\d+\)|[ _-]copy|[_-]\d)?$", _FLAGS
)
_ENTRY_PART = re.compile(rf"(?:eprint\s*=\s*[\"{{]|arxiv(?:\.org/[a-z]+/|[:.]) ?){_ID}", _FLAGS)

_NUMBER_LIKE = re.compile(r"(\d{3,4})\.(\d{1,5})", re.ASCII)


class ArxivId(msgspec.Struct, frozen=True):
    """arXiv identifier.

    Attributes:
        id: the canonical id, without a version.
        version: the version, if the text named one.
    """

    id: str
    version: int | None = None

    def __str__(self) -> str:
        """Return the id, with its version if it has one."""
        return self.id if self.version is None else f"{self.id}v{self.version}"


def parse_arxiv_id(text: str) -> ArxivId | None:
    """Return the arXiv id if the text means one arXiv paper by its id, otherwise None.

    Accepts an id with the labels and remarks of references, an address of any site in which exactly one arXiv id is a
    part of the path or of a parameter, the name of a file that begins or ends with an id, keys of DBLP and bibcodes of
    the ADS, each also in markup (Markdown, LaTeX, BibTeX, HTML, wikis). Surrounding marks, invisible characters and
    variants of letters and signs are ignored. A sentence that contains an id is not an id. The year, month, number of
    digits and archive must be possible.
    """
    if len(text) > _LONGEST:
        return None
    if match := _EXACT.fullmatch(text):
        return _make_id(match)
    text = plain_characters(text)
    return _parse(text, _MOST_LAYERS) if _HAS_DIGITS.search(text) else None


def restore_zeros(text: str) -> str | None:
    """Return the arXiv id that a spreadsheet made a number, with the zeros that it lost at its start and its end.

    `704.0001` is 0704.0001, and `2401.0904` is 2401.09040: numbers have five digits since 2015, four before. None for
    a text that is no such number, or lacks no zero.
    """
    match = _NUMBER_LIKE.fullmatch(text)
    if match is None:
        return None
    month = match[1].zfill(4)
    found = _new_id(month, match[2].ljust(4 if month < "1501" else 5, "0"), None)
    return found.id if found and found.id != text else None


def links(paper: Paper) -> dict[str, str]:
    """Return a paper's addresses: `abs`, `pdf` and, from December 2023 on, `html` at arXiv; `doi` if it has a DOI.

    A paper that is not on arXiv has `url`, the address that its library states, unless that is the resolver's of its
    DOI. Empty for a paper without any of these.
    """
    found: dict[str, str] = {}
    if arxiv_id := paper.arxiv_id:
        found["abs"] = f"https://arxiv.org/abs/{arxiv_id}"
        found["pdf"] = f"https://arxiv.org/pdf/{arxiv_id}"
        if "/" not in arxiv_id and (int(arxiv_id[:2]), int(arxiv_id[2:4])) >= _FIRST_HTML_MONTH:
            found["html"] = f"https://arxiv.org/html/{arxiv_id}"
    if doi := bare_doi(paper.doi):
        found["doi"] = doi_address(doi)
    address = paper.publication.url if paper.publication and "abs" not in found else ""
    if address and not (doi and "doi.org/" in address):
        found["url"] = address
    return found


def _parse(text: str, layers: int) -> ArxivId | None:
    if layers and (inner := inner_texts(text)):
        return next((found for each in inner if (found := _parse(each, layers - 1))), None)
    if text.startswith("@"):
        return _only_one([_make_id(match) for match in _ENTRY_PART.finditer(text)])
    text = strip_marks(text)
    if layers and (inner := inner_texts(text)):
        return next((found for each in inner if (found := _parse(each, layers - 1))), None)
    if match := _LABELLED.fullmatch(_EXTENSION.sub("", text)):
        return _make_id(match)
    if _ADDRESS.fullmatch(text):
        return _parse_address(text) or _parse_file_name(text)
    return _parse_bibcode(text) or _parse_file_name(text)


def _parse_address(text: str) -> ArxivId | None:
    """Return the only arXiv id that is a part of an address; None if it is part of the DOI of another publisher."""
    parts = [_EXTENSION.sub("", part) for part in _BETWEEN_PARTS.split(text)]
    if any(_OTHER_DOI.fullmatch(part) for part in parts):
        return None
    found: list[ArxivId | None] = []
    for before, part in pairwise(["", *parts]):
        # Before March 2007, a slash divides an id: "https://arxiv.org/ftp/hep-th/papers/9901/9901997.pdf" too.
        for each in (part, f"{before}/{part}"):
            if match := _ADDRESS_PART.fullmatch(each):
                found.append(_make_id(match, "loose_" if match["loose_month"] or match["loose_archive"] else ""))
        found.append(_parse_bibcode(part))
    if "ftp" in parts[:5] and parts[-1].isdecimal():
        found += [_parse(f"{archive}/{parts[-1]}", 0) for archive in parts if archive.lower() in OLD_ARCHIVES]
    return _only_one(found)


def _parse_bibcode(text: str) -> ArxivId | None:
    match = _BIBCODE.fullmatch(text)
    if match is None:
        return None
    if match["month"]:
        return _new_id(match["month"], match["number"], None)
    archive = match["archive"].lower().replace(".", "-")
    return _old_id(archive, f"{match['year']}{match['in_year']:0>2}", match["old_number"], None)


def _parse_file_name(text: str) -> ArxivId | None:
    name = re.split(r"[/\\]", text)[-1]
    stem = _EXTENSION.sub("", name)
    if stem == name:
        return None
    match = _FILE_START.match(stem) or _FILE_END.search(stem)
    return _make_id(match) if match else None


def _only_one(found: list[ArxivId | None]) -> ArxivId | None:
    """Return the id if all that were found are one paper's, the one with a version if there is one; otherwise None."""
    ids = [each for each in found if each is not None]
    if len({each.id for each in ids}) != 1:
        return None
    return max(ids, key=lambda each: each.version or 0)


def _make_id(match: re.Match[str], prefix: str = "") -> ArxivId | None:
    month, number, archive, version = (match[prefix + name] for name in ("month", "number", "archive", "version"))
    if month:
        return _new_id(month, number, version)
    return _old_id(archive.lower(), match[f"{prefix}old_month"], match[f"{prefix}old_number"], version)


def _new_id(month: str, number: str, version: str | None) -> ArxivId | None:
    digits = 4 if month < "1501" else 5
    possible = month >= "0704" and "01" <= month[2:] <= "12" and len(number) == digits and int(number) > 0
    return ArxivId(f"{month}.{number}", int(version) if version else None) if possible else None


def _old_id(archive: str, month: str, number: str, version: str | None) -> ArxivId | None:
    if archive not in OLD_ARCHIVES or not "01" <= month[2:] <= "12" or int(number) == 0:
        return None
    # Two-digit years run from 91 to 99 and from 00 to 07; the last month is March 2007.
    possible = month <= "0703" or month >= "9101"
    return ArxivId(f"{archive}/{month}{number}", int(version) if version else None) if possible else None
