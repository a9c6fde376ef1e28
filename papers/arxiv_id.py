"""arXiv identifiers in all forms in which users paste them.

The scheme is arXiv's own ("Understanding the arXiv identifier"): until March 2007 `archive/YYMMNNN`, optionally with
a subject class that is not part of the id (`math.GT/0309136` is `math/0309136`); from April 2007 `YYMM.NNNN`; from
January 2015 `YYMM.NNNNN`. Any of them may carry a version, `v3`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from papers.doi import bare_doi, doi_address

if TYPE_CHECKING:  # paper.py imports this module
    from papers.paper import Paper

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
# arXiv has HTML versions of papers submitted since December 2023.
_FIRST_HTML_MONTH = (23, 12)

_NEW = r"(?P<month>\d{4})\.(?P<number>\d{4,5})"
_OLD = r"(?P<archive>[a-z]+(?:-[a-z]+)?)(?:\.[a-z]{2}(?:[a-z-]*[a-z])?)?/(?P<old_month>\d{4})(?P<old_number>\d{3})"
_ID = rf"(?:{_NEW}|{_OLD})(?:v(?P<version>[1-9]\d{{0,3}}))?"

_BARE = re.compile(
    rf"(?:(?:oai:)?arxiv(?:\.org)?\s*+:?\s*+)?{_ID}"
    # In the margin of arXiv's PDFs, the category and the day follow the id.
    r"(?:\s*+\[[a-z-]++(?:\.[a-z-]++)?\](?:\s++\d{1,2}\s++[a-z]{3}\s++\d{4})?)?",
    re.ASCII | re.IGNORECASE,
)
_DOI = re.compile(
    rf"(?:(?:https?://)?(?:dx\.|www\.)?doi\.org/|doi:\s*)?10\.48550/arxiv\.{_ID}", re.ASCII | re.IGNORECASE
)
_LINK = re.compile(
    r"(?:https?://)?(?:"
    r"(?:[a-z]+\.)?arxiv\.org/(?:abs|pdf|html|ps|format|e-print|src)"
    r"|(?:ar5iv\.labs\.arxiv\.org|(?:www\.)?ar5iv\.org)/(?:abs|pdf|html)"
    r"|(?:www\.)?alphaxiv\.org/(?:[a-z]{2}/)?(?:abs|pdf|html|overview)"
    r"|(?:www\.)?huggingface\.co/papers"
    rf")/{_ID}(?:\.pdf|\.ps\.gz|\.ps)?/?(?:[?#].*)?",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_MOST_WRAPPERS = 16
_WRAPPERS = {"<": ">", "(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "“": "”", "‘": "’", "`": "`"}


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
    """Return the arXiv id if the text is nothing but an arXiv id, otherwise None.

    Accepts bare ids, `arXiv:` ids with or without the category and day that follow them in the margin of a PDF, arXiv's
    DOIs, and links to a paper's page or file on arXiv, its mirrors and the sites built on it. Surrounding whitespace,
    brackets, quotes and trailing punctuation are ignored. A sentence that contains an id is not an id. The year, month,
    number of digits and archive must be possible.
    """
    if len(text) > _LONGEST:
        return None
    text = _unwrap(text)
    match = _BARE.fullmatch(text) or _DOI.fullmatch(text) or _LINK.fullmatch(text)
    if match is None and "%" in text:
        decoded = unquote(text)
        match = _DOI.fullmatch(decoded) or _LINK.fullmatch(decoded)
    if match is None:
        return None
    canonical = _new_id(match) if match["month"] else _old_id(match)
    if canonical is None:
        return None
    return ArxivId(canonical, int(match["version"]) if match["version"] else None)


def links(paper: Paper) -> dict[str, str]:
    """Return a paper's addresses: `abs`, `pdf` and, from December 2023 on, `html` at arXiv; `doi` if it has a DOI.

    Empty for a paper that is not on arXiv and has no DOI.
    """
    found: dict[str, str] = {}
    if arxiv_id := paper.arxiv_id:
        found["abs"] = f"https://arxiv.org/abs/{arxiv_id}"
        found["pdf"] = f"https://arxiv.org/pdf/{arxiv_id}"
        if "/" not in arxiv_id and (int(arxiv_id[:2]), int(arxiv_id[2:4])) >= _FIRST_HTML_MONTH:
            found["html"] = f"https://arxiv.org/html/{arxiv_id}"
    if doi := bare_doi(paper.doi):
        found["doi"] = doi_address(doi)
    return found


def _unwrap(text: str) -> str:
    """Return the text without surrounding whitespace, trailing punctuation and pairs of brackets or quotes."""
    for _ in range(_MOST_WRAPPERS):
        stripped = text.strip().rstrip(".,;:!?").rstrip()
        if len(stripped) > 2 and _WRAPPERS.get(stripped[0]) == stripped[-1]:
            stripped = stripped[1:-1]
        if stripped == text:
            break
        text = stripped
    return text


def _new_id(match: re.Match[str]) -> str | None:
    month, number = match["month"], match["number"]
    digits = 4 if month < "1501" else 5
    possible = month >= "0704" and "01" <= month[2:] <= "12" and len(number) == digits and int(number) > 0
    return f"{month}.{number}" if possible else None


def _old_id(match: re.Match[str]) -> str | None:
    archive, month, number = match["archive"].lower(), match["old_month"], match["old_number"]
    if archive not in OLD_ARCHIVES or not "01" <= month[2:] <= "12" or int(number) == 0:
        return None
    # Two-digit years run from 91 to 99 and from 00 to 07; the last month is March 2007.
    return f"{archive}/{month}{number}" if month <= "0703" or month >= "9101" else None
