"""Read a query that was pasted as an address of arXiv's search, or in the encoding of one."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from retrieval_service.search.sentences import Sentence, sentence

_ADDRESS = re.compile(
    r"(?:https?://)?(?:[a-z]+\.)?arxiv\.org/(?P<kind>api/query/?\?|search/?(?:[a-z]+/?)?\?|list/|a/)\S+|search_query=.+",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_ENCODED = re.compile(r"\+(?:AND|OR|ANDNOT)\+|%22|%28|:%5B|\+TO\+")
_CATEGORY_LIST = re.compile(r"list/([a-z-]+(?:\.[A-Za-z-]+)?)(?:/|$)", re.ASCII)
_AUTHOR_PAGE = re.compile(r"arxiv\.org/a/([a-z_-]+?)_\d+(?:[.?#/]|$)", re.ASCII | re.IGNORECASE)
_MONTH = re.compile(r"/((?:19|20)?\d\d)-?(0[1-9]|1[0-2])(?:[?#/]|$)", re.ASCII)
_TERM = re.compile(r"terms-(\d{1,2})-(term|field|operator)")
_FIELDS_OF_SEARCH = {"title": "ti", "author": "au", "abstract": "abs"}
_LONGEST = 4_000


def unpack_query(text: str, notes: list[Sentence]) -> str:
    """Return the query in an address of arXiv's search or interface; other texts as they are.

    Args:
        text: The text of the query box.
        notes: Gets what was passed over.
    """
    if len(text) > _LONGEST or not ("=" in text or "%" in text or "+" in text or "/list/" in text or "/a/" in text):
        return text
    stripped = text.strip()
    if _ADDRESS.fullmatch(stripped):
        return _from_address(stripped, notes) or text
    if _ENCODED.search(text) and " " not in stripped:
        return unquote_plus(stripped)
    return text


def _from_address(address: str, notes: list[Sentence]) -> str:
    if found := _CATEGORY_LIST.search(address):
        month = _MONTH.search(address, found.end(1))
        return f"cat:{found[1]}{f' date:{_year(month[1])}-{month[2]}' if month else ''}"
    if author := _AUTHOR_PAGE.search(address):
        return f"au:{author[1]}"
    query = urlsplit(address).query if "?" in address else address
    given = dict(parse_qsl(query))
    parts = [given.pop("search_query", "") or _terms(given)]
    if ids := given.pop("id_list", ""):
        parts.append(f"id:{re.sub(r'[^0-9A-Za-z./,-]', '', ids)}" if parts[0] else ids)
    if words := given.pop("query", ""):
        field = _FIELDS_OF_SEARCH.get(given.pop("searchtype", "all"))
        parts.append(f'{field}:"{words}"' if field else words)
    if passed_over := [name for name in given if name != "searchtype"]:
        notes.append(sentence("part_of_address", names=", ".join(passed_over)[:100]))
    return " ".join(part for part in parts if part.strip())


def _year(digits: str) -> str:
    """Return a year with four digits; arXiv began in 1991."""
    return digits if len(digits) == 4 else f"{'19' if digits >= '91' else '20'}{digits}"


def _terms(given: dict[str, str]) -> str:
    """Return the query of arXiv's advanced search, and remove its names from those of the address."""
    rows: dict[int, dict[str, str]] = {}
    for name in [name for name in given if _TERM.fullmatch(name)]:
        _, number, part = name.split("-")
        rows.setdefault(int(number), {})[part] = given.pop(name)
    query = ""
    for _, row in sorted(rows.items()):
        words = row.get("term", "").replace('"', " ").strip()
        if not words:
            continue
        field = _FIELDS_OF_SEARCH.get(row.get("field", "all"), "all")
        term = f'{field}:"{words}"' if field == "au" or " " not in words else f"{field}:({words})"
        joined = {"OR": "OR ", "NOT": "ANDNOT "}.get(row.get("operator", "AND"), "AND ")
        query += f" {joined}{term}" if query else term
    if rows:
        given.pop("advanced", None)
        defaults = (name for name, value in given.items() if value in ("", "all", "all_dates", "submitted_date_first"))
        for name in [*defaults]:
            given.pop(name)
    return query
