"""Read JSON lines, JSON, tables and Parquet; a broken file is refused with its path, line and reason."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

from akin.papers import Paper
from akin.relevance.errors import RelevanceError

Row = dict[str, Any]
LONGEST_LINE = 1 << 23
"""Characters of a line; a packed file may unpack to any number of them."""
LARGEST_GAIN = 1_000_000
"""trec_eval sums gains in small integers, and no collection has greater ones."""


def json_lines(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield each object of a file of JSON lines, plain or gzip, after its place `path:line`.

    Raises:
        RelevanceError: The file cannot be read, or a line is no JSON object.
    """
    number = 0
    try:
        with _open(path) as file:
            while line := file.readline(LONGEST_LINE):
                number += 1
                if len(line) == LONGEST_LINE:
                    raise RelevanceError(f"{path}:{number} is longer than {LONGEST_LINE:,} characters.")
                if line.isspace():
                    continue
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise RelevanceError(f"{path}:{number} is not a JSON object.")
                yield f"{path}:{number}", record
    except (OSError, EOFError) as error:
        raise unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise RelevanceError(f"{path} is not JSON lines in UTF-8, see line {max(number, 1)}: {error}.") from error


def json_file(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        RelevanceError: The file cannot be read or is no JSON.
    """
    try:
        with _open(path) as file:
            return json.load(file)
    except (OSError, EOFError) as error:
        raise unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise RelevanceError(f"{path} is not JSON in UTF-8: {error}.") from error


def table(path: Path, columns: Sequence[str], delimiter: str) -> Iterator[tuple[str, Row]]:
    """Yield each row of a file with a header after its place `path:line`; every row has the columns.

    Raises:
        RelevanceError: The file cannot be read, or a column or a cell is missing.
    """
    try:
        with _open(path) as file:
            rows = csv.DictReader(file, delimiter=delimiter)
            for row in rows:
                where = f"{path}:{rows.line_num}"
                if missing := next((name for name in columns if row.get(name) is None), None):
                    raise RelevanceError(
                        f"{where} has no {missing}: the first line must name the columns {', '.join(columns)}, and "
                        f"every line must have them, separated by {'tabs' if delimiter == chr(9) else 'commas'}."
                    )
                yield where, row
    except (OSError, EOFError) as error:
        raise unreadable(path, error) from error
    except (ValueError, csv.Error) as error:
        raise RelevanceError(f"{path} is not a table in UTF-8: {error}.") from error


def parquet_rows(
    paths: Sequence[Path], columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[str, Row]]:
    """Yield each row of Parquet files after its place `path:row`; only the columns are read.

    Raises:
        RelevanceError: A file is broken or lacks a column, or the library is not installed.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise RelevanceError(
            f"{paths[0]} is a Parquet file, which needs the package pyarrow. Use the training environment "
            "(.venv-training), which has it, or write the rows as JSON lines."
        ) from error
    for path in paths:
        number = 0
        try:
            file = parquet.ParquetFile(path)
            known = file.schema_arrow.names
            if missing := next((name for name in columns if name not in known), None):
                raise RelevanceError(f"{path} has no column {missing}.")
            for batch in file.iter_batches(columns=[*columns, *(name for name in optional if name in known)]):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}:{number}", row
        except (OSError, ValueError) as error:  # those of pyarrow are kinds of these
            raise RelevanceError(f"{path} cannot be read as Parquet: {error}.") from error


def rows_of(folder: Path, name: str, columns: Sequence[str]) -> Iterator[tuple[str, Row]]:
    """Yield the rows of a part of a data set: of `name.jsonl`, or of Parquet or JSON lines in the folder `name`.

    Raises:
        RelevanceError: The part is missing or broken.
    """
    files = part_files(folder, name)
    if not files:
        raise RelevanceError(f"{folder / name} has neither .jsonl nor .parquet files.")
    yield from rows_in(files, columns)


def rows_in(files: Sequence[Path], columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[tuple[str, Row]]:
    """Yield the rows of Parquet or JSON lines after their places; every row has the columns.

    Raises:
        RelevanceError: A file is broken or lacks a column.
    """
    for path in files:
        if path.suffix == ".parquet":
            yield from parquet_rows([path], columns, optional)
            continue
        for where, row in json_lines(path):
            if missing := next((column for column in columns if column not in row), None):
                raise RelevanceError(f"{where} has no {missing}.")
            yield where, row


def part_files(folder: Path, name: str) -> list[Path]:
    """Return the files of a data set's part, sorted; an empty list if there are none."""
    alone = [path for end in (".jsonl", ".jsonl.gz", ".parquet") if (path := folder / f"{name}{end}").is_file()]
    if alone:
        return alone[:1]
    inside = folder / name
    return next((found for end in ("*.parquet", "*.jsonl", "*.jsonl.gz") if (found := sorted(inside.glob(end)))), [])


def text_of(record: Row, name: str, where: str) -> str:
    """Return a field that must be a text or a whole number.

    Raises:
        RelevanceError: It is missing or something else.
    """
    value = record.get(name)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise RelevanceError(f"{where} has no {name}.")
    return str(value)


def whole_gain(value: object, where: str) -> int:
    """Return a judgement's gain, which must be a whole number up to `LARGEST_GAIN`.

    Raises:
        RelevanceError: It is not.
    """
    try:
        number = float(cast("str", value))
        if number == int(number) and abs(number) <= LARGEST_GAIN:
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise RelevanceError(f"{where}: the score {value!r} is not a whole number up to {LARGEST_GAIN:,}.")


def passage(identity: str, title: object, text: object, where: str) -> tuple[str, Paper]:
    """Return a passage of a corpus as a paper, after its place; a missing title or text is empty, but not both.

    Raises:
        RelevanceError: The title or the text is not a text.
    """
    title, text = title or "", text or ""
    if not isinstance(title, str) or not isinstance(text, str):
        raise RelevanceError(f"{where}: title and text must be texts.")
    return where, Paper(id=identity, title=title, abstract=text)


def unreadable(path: Path, error: OSError | EOFError) -> RelevanceError:
    """Return the error for a file that cannot be read."""
    return RelevanceError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}).")


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")
