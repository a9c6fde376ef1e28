"""Collections in Parquet files, as their publishers distribute them; pyarrow is installed in this environment only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from akin.relevance import RelevanceError, read_collection, read_collections


def write(path: Path, *rows: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)


def test_nanobeir(tmp_path: Path) -> None:
    folder = tmp_path / "NanoBEIR-en"
    for name in ("NanoSciFact", "NanoSCIDOCS"):
        end = f"{name}-00000-of-00001.parquet"
        write(folder / "corpus" / end, {"_id": "d1", "text": f"Wings of {name}"}, {"_id": "d2", "text": "Oil"})
        write(folder / "queries" / end, {"_id": "q1", "text": "wings"})
        write(folder / "qrels" / end, {"query-id": "q1", "corpus-id": "d1"})
    found = {each.name: each for each in read_collections([folder])}
    assert sorted(found) == ["NanoSCIDOCS", "NanoSciFact"]
    assert found["NanoSciFact"].passages == {"d1": "Wings of NanoSciFact", "d2": "Oil"}
    assert found["NanoSciFact"].qrels == {"q1": {"d1": 1}}


def test_litsearch_in_several_files(tmp_path: Path) -> None:
    folder = tmp_path / "litsearch"
    write(folder / "query/full-00000-of-00001.parquet", {"query": "Which wings?", "corpusids": [7, 8], "quality": 1})
    for number in (7, 8):
        row = {"corpusid": number, "title": f"Paper {number}", "abstract": "On oil.", "citations": [1]}
        write(folder / f"corpus_clean/full-0000{number - 7}-of-00002.parquet", row)
    found = read_collection(folder)
    assert found.qrels == {"0": {"7": 1, "8": 1}}
    assert found.passages == {"7": "Paper 7. On oil.", "8": "Paper 8. On oil."}


def test_scirepeval_proximity(tmp_path: Path) -> None:
    folder = tmp_path / "high_influence_cite"
    papers = [{"doc_id": name, "title": f"Paper {name}", "abstract": "On oil."} for name in "abc"]
    row = {"doc_id": "a", "query": papers[0], "candidates": papers[1:]}
    write(folder / "evaluation-00000-of-00001.parquet", row)
    write(folder / "test-00000-of-00001.parquet", {"query_id": "a", "cand_id": "c", "score": 1})
    found = read_collection(folder)
    assert found.queries == {"a": "Paper a On oil."}
    assert found.qrels == {"a": {"c": 1}}
    assert found.passages == {"b": "Paper b. On oil.", "c": "Paper c. On oil."}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, r"full\.parquet has no column corpusids"),
        (b"PAR1 and nothing else", r"full\.parquet cannot be read as Parquet"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    write(tmp_path / "query/full.parquet", {"query": "q"})
    write(tmp_path / "corpus_clean/full.parquet", {"corpusid": 1, "title": "", "abstract": ""})
    if content is not None:
        (tmp_path / "query/full.parquet").write_bytes(content)
    with pytest.raises(RelevanceError, match=complaint):
        read_collection(tmp_path)
