"""Read the windows that a report compares: files of queries, and ranges of days of the collection."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

TITLES, COLLECTION = "titles", "collection"
_RANGE = re.compile(r"(\d{4}-\d{2}-\d{2})?\.\.(\d{4}-\d{2}-\d{2})?")
_KEYS = ("text", "query")


class WindowError(Exception):
    """Window of queries that cannot be read; the message names it, the reason and the next step."""


@dataclass(frozen=True)
class Days:
    """Searches of the collection from a day on, before another; empty for no bound."""

    since: str = ""
    before: str = ""


def parse_window(text: str) -> Days | Path | None:
    """Return the days or the file that an option names; None for the titles of the corpus.

    Raises:
        WindowError: It names nothing that is there.
    """
    if text == TITLES:
        return None
    if text == COLLECTION:
        return Days()
    if found := _RANGE.fullmatch(text):
        try:
            dates = [date.fromisoformat(day) for day in found.groups() if day]
        except ValueError as error:
            raise WindowError(
                f"{text} has a day that is none ({error}): give days such as 2026-05-01..2026-06-01."
            ) from error
        if len(dates) == 2 and dates[0] >= dates[1]:
            raise WindowError(f"{text} has no day: the second one is not included, and must be later than the first.")
        return Days(found[1] or "", found[2] or "")
    path = Path(text).expanduser()
    if not path.is_file():
        raise WindowError(
            f"{text} is no file: give a file of queries, `{TITLES}`, `{COLLECTION}`, or days such as "
            "2026-05-01..2026-06-01."
        )
    return path


def read_queries(path: Path) -> list[str]:
    """Return the queries of a file: one a line, or JSON lines with `text` (as in BEIR's layout) or `query`.

    Raises:
        WindowError: The file cannot be read.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise WindowError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise WindowError(f"{path} is not a text in UTF-8 ({error.reason}, byte {error.start}).") from error
    if path.suffix == ".jsonl":
        lines = [_query(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    return [line.strip() for line in lines if line.strip()]


def _query(path: Path, number: int, line: str) -> str:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise WindowError(f"{path}, line {number}: {error}.") from error
    for key in _KEYS:
        if isinstance(record, dict) and isinstance(record.get(key), str):
            return str(record[key])
    raise WindowError(f"{path}, line {number} has no text in `text` or `query`.")
