"""Read papers from Parquet files as from JSON lines."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from akin.papers import read_papers
from akin.papers.errors import MappingError, PaperFileUnreadable

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed here")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed here")


def write(path: Path, columns: dict[str, Any], **how: Any) -> Path:
    parquet.write_table(pa.table(columns), path, **how)
    return path


def test_rows_are_papers_with_lists_days_and_missing_values(tmp_path: Path) -> None:
    path = write(
        tmp_path / "papers.parquet",
        {
            "id": ["2001.00001", "2001.00002", None],
            "title": ["First", "Second", "Without an id"],
            "abstract": ["One.", None, "Three."],
            "authors": [["Ada Lovelace", "Paul Erdős"], [], None],
            "categories": [["cs.LG"], ["cs.LG", "stat.ML"], None],
            "published": [date(2020, 1, 2), None, None],
        },
    )
    with read_papers(path) as reader:
        first, *rest = reader
    assert (first.id, first.title, first.abstract, first.published) == ("2001.00001", "First", "One.", date(2020, 1, 2))
    assert [author.name for author in first.authors] == ["Ada Lovelace", "Paul Erdős"]
    assert first.categories == ("cs.LG",)
    assert not rest
    assert {str(reason) for reason in reader.report.rejected} == {"no_abstract", "no_id"}


def test_a_mapping_names_the_columns_and_progress_reaches_the_size(tmp_path: Path) -> None:
    rows = 2_500
    path = write(
        tmp_path / "passages",
        {"_id": [f"p{row}" for row in range(rows)], "text": ["Words of a passage."] * rows},
        row_group_size=700,
    )
    with pytest.raises(MappingError, match="_id"):
        read_papers(path)
    with read_papers(path, "id=_id,abstract=text") as reader:
        next(iter(reader))
        assert 0 < reader.bytes_read <= (reader.bytes_total or 0)
        assert sum(1 for _ in reader) == rows - 1
        assert reader.bytes_read == reader.bytes_total == path.stat().st_size


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, kept: float) -> None:
    whole = write(tmp_path / "whole.parquet", {"id": ["a"], "title": ["T"], "abstract": ["A"]}).read_bytes()
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(PaperFileUnreadable, match="is not a whole Parquet file"):
        read_papers(cut)


def test_a_damaged_page_ends_the_reading_with_its_place(tmp_path: Path) -> None:
    rows = 20_000
    columns = {"id": [f"p{row}" for row in range(rows)], "title": [f"Title {row}" for row in range(rows)]}
    columns["abstract"] = [f"Abstract {row * 7919}" for row in range(rows)]
    path = write(tmp_path / "papers.parquet", columns, compression="zstd", row_group_size=5_000)
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 3)
    path.write_bytes(content)
    with pytest.raises(PaperFileUnreadable, match="cannot be read"), read_papers(path) as reader:
        for _ in reader:
            pass


def test_what_is_needed_is_named_where_pyarrow_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "papers.parquet", {"id": ["a"], "title": ["T"], "abstract": ["A"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PaperFileUnreadable, match="extra `scale`"):
        read_papers(path)
