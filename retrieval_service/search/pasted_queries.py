"""Read a query that was pasted as an address of arXiv's search, or in the encoding of one."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote_plus, urlsplit

_ADDRESS = re.compile(
    r"(?:https?://)?(?:[a-z]+\.)?arxiv\.org/(?P<kind>api/query/?\?|search/?(?:[a-z]+/?)?\?|list/)\S+|search_query=.+",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_ENCODED = re.compile(r"\+(?:AND|OR|ANDNOT)\+|%22|%28|:%5B|\+TO\+")
_CATEGORY_LIST = re.compile(r"list/([a-z-]+(?:\.[A-Za-z-]+)?)(?:/|$)", re.ASCII)
_FIELDS_OF_SEARCH = {"title": "ti", "author": "au", "abstract": "abs"}
_LONGEST = 4_000


def unpack_query(text: str, notes: list[str]) -> str:
    """Return the query in an address of arXiv's search or interface; other texts as they are.

    Args:
        text: The text of the query box.
        notes: Gets what was passed over.
    """
    if len(text) > _LONGEST or not ("=" in text or "%" in text or "+" in text or "/list/" in text):
        return text
    stripped = text.strip()
    if _ADDRESS.fullmatch(stripped):
        return _from_address(stripped, notes) or text
    if _ENCODED.search(text) and " " not in stripped:
        return unquote_plus(stripped)
    return text


def _from_address(address: str, notes: list[str]) -> str:
    if found := _CATEGORY_LIST.search(address):
        return f"cat:{found[1]}"
    query = urlsplit(address).query if "?" in address else address
    given = dict(parse_qsl(query))
    parts = [given.pop("search_query", "")]
    if ids := given.pop("id_list", ""):
        parts.append(f"id:{re.sub(r'[^0-9A-Za-z./,-]', '', ids)}" if parts[0] else ids)
    if words := given.pop("query", ""):
        field = _FIELDS_OF_SEARCH.get(given.pop("searchtype", "all"))
        parts.append(f'{field}:"{words}"' if field else words)
    if passed_over := [name for name in given if name != "searchtype"]:
        notes.append(f"Of the address, {', '.join(passed_over)[:100]} was passed over: use k, offset and the filters.")
    return " ".join(part for part in parts if part.strip())
