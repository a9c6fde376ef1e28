"""Read a file of saved searches."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from akin.errors import SavedSearchesUnusable

_TABLE = "search"
_MOST_BYTES = 1_000_000
_MOST_SEARCHES = 500
_EXAMPLE = '[[search]]\nname = "Graphs"\nquery = "graph neural networks"'


@dataclass(frozen=True)
class SavedSearch:
    """Search of a file.

    Attributes:
        name: What the report calls it.
        place: The file and the number of the search in it, for errors.
        body: The parameters, with the names of the API.
    """

    name: str
    place: str
    body: dict[str, Any]


def read_saved(path: Path) -> list[SavedSearch]:
    """Return the searches of a TOML file, in its order.

    Raises:
        SavedSearchesUnusable: The file cannot be read, or is no such file; the message names the line or the search.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise SavedSearchesUnusable(f"{path} is larger than {_MOST_BYTES:,} bytes: divide it, or check its name")
        content = tomllib.loads(data.decode("utf-8-sig"))
    except OSError as error:
        raise SavedSearchesUnusable(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SavedSearchesUnusable(f"{path} is not UTF-8 ({error}): convert it, for example with iconv") from None
    except tomllib.TOMLDecodeError as error:
        raise SavedSearchesUnusable(f"{path} is not TOML: {error}") from None
    except RecursionError:
        raise SavedSearchesUnusable(f"{path} is not TOML that can be read: it is nested too deeply") from None
    unknown = [name for name in content if name != _TABLE]
    if unknown:
        near = " (did you mean [[search]]?)" if get_close_matches(unknown[0], [_TABLE, "searches"]) else ""
        raise SavedSearchesUnusable(
            f"{path}: there is {unknown[0]!r}{near}; the file has [[search]] tables only, such as\n{_EXAMPLE}"
        )
    tables = content.get(_TABLE, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise SavedSearchesUnusable(f"{path}: write each search as a table [[search]], with two brackets")
    if not tables:
        raise SavedSearchesUnusable(f"{path} has no search: write at least one, such as\n{_EXAMPLE}")
    if len(tables) > _MOST_SEARCHES:
        raise SavedSearchesUnusable(
            f"{path} has {len(tables):,} searches, and at most {_MOST_SEARCHES} may be in one file: divide it"
        )
    return [_saved(path, number, table) for number, table in enumerate(tables, start=1)]


def _saved(path: Path, number: int, table: dict[str, Any]) -> SavedSearch:
    place = f"{path}, search {number}"
    body = {name: value.isoformat() if isinstance(value, date) else value for name, value in table.items()}
    name = body.pop("name", None)
    if name is not None and not (isinstance(name, str) and name.strip()):
        raise SavedSearchesUnusable(f"{place}: name must be a text")
    if "offset" in body:
        raise SavedSearchesUnusable(f"{place}: a digest begins with the first result; leave offset out")
    k = body.get("k", 1)
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= 100:
        raise SavedSearchesUnusable(f"{place}: k must be a number from 1 to 100")
    try:
        json.dumps(body, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise SavedSearchesUnusable(f"{place}: {error}") from None
    what = body.get("query") or body.get("q") or body.get("abstract") or body.get("like") or f"Search {number}"
    return SavedSearch(name or (", ".join(map(str, what)) if isinstance(what, list) else str(what)), place, body)
