import hashlib
import json
import shutil
from pathlib import Path

import pytest

from akin.relevance import RelevanceError, read_collection, read_collections


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tiny"
    (made / "qrels").mkdir(parents=True)
    passages = [
        {"_id": "a", "title": "Wings", "text": "They lift."},
        {"_id": "b", "title": "", "text": "Of cabbages"},
        {"_id": "c", "text": "Of kings"},
    ]
    (made / "corpus.jsonl").write_text("\n".join(map(json.dumps, passages)))
    queries = [{"_id": "1", "text": "what lifts"}, {"_id": "2", "text": "nobody judged"}, {"_id": "3", "text": "kings"}]
    (made / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (made / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n3\tc\t1\n1\ta\t3\n1\tb\t0\n")
    return made


def test_passages_are_the_texts_that_are_embedded_for_serving_and_unjudged_queries_are_left_out(folder: Path) -> None:
    found = read_collection(folder)
    assert found.name == "tiny"
    assert found.corpus == folder / "corpus.jsonl"
    assert list(found.passages.items()) == [("a", "Wings. They lift."), ("b", "Of cabbages"), ("c", "Of kings")]
    assert list(found.queries.items()) == [("3", "kings"), ("1", "what lifts")]
    assert found.qrels == {"3": {"c": 1}, "1": {"a": 3}}


def test_the_digest_is_of_the_three_files_and_changes_with_the_judgements(folder: Path) -> None:
    before = read_collection(folder).digest
    parts = [hashlib.sha256((folder / name).read_bytes()).digest() for name in ("corpus.jsonl", "queries.jsonl")]
    parts.append(hashlib.sha256((folder / "qrels/test.tsv").read_bytes()).digest())
    assert before == hashlib.sha256(b"".join(parts)).hexdigest()
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n3\tc\t2\n")
    assert read_collection(folder).digest != before


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("corpus.jsonl", None, r"corpus\.jsonl cannot be read .*BEIR's layout"),
        ("queries.jsonl", None, r"queries\.jsonl cannot be read"),
        ("qrels/test.tsv", None, r"test\.tsv cannot be read"),
        ("corpus.jsonl", "not json", r"corpus\.jsonl is not JSON lines"),
        ("corpus.jsonl", "[1]", r"corpus\.jsonl:1 is not a JSON object"),
        ("corpus.jsonl", '{"_id": "a"}', r"corpus\.jsonl:1 has no text"),
        ("corpus.jsonl", '{"_id": "a", "text": ""}\n{"_id": "a", "text": ""}', "the id a occurs a second time"),
        (
            "qrels/test.tsv",
            "query\tdoc\tscore\n1\ta\t1\n",
            r"test\.tsv:2 has no query-id: the first line must name the columns query-id, corpus-id, score",
        ),
        (
            "qrels/test.tsv",
            "query-id\tcorpus-id\tscore\n1\ta\thigh\n",
            r"test\.tsv:2: the score 'high' is not a whole number",
        ),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n1\ta\t0\n", "has no judgement above 0"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n1\tz\t1\n", r"test\.tsv judges passage z for query 1, but"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n9\ta\t1\n", "judges query 9, but"),
        ("qrels/test.tsv", f"query-id\tcorpus-id\tscore\n1\ta\t{10**20}\n", "is not a whole number up to 1,000,000"),
        (
            "qrels/test.tsv",
            "query-id\tcorpus-id\tscore\n1\ta\t1\n1\ta\t2\n",
            r"test\.tsv:3 judges passage a for query 1 again, with another score",
        ),
        (
            "queries.jsonl",
            '{"_id": "1", "text": " "}\n{"_id": "3", "text": "kings"}\n',
            "query 1, whose text in .* is empty",
        ),
    ],
)
def test_an_unreadable_collection_names_file_and_reason(
    folder: Path, file: str, content: str | None, complaint: str
) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises(RelevanceError, match=complaint):
        _ = read_collection(folder).passages


def test_files_of_windows_are_read_alike(folder: Path) -> None:
    before = read_collection(folder)
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"))
    found = read_collection(folder)
    assert (found.queries, found.qrels, found.passages) == (before.queries, before.qrels, before.passages)


def test_two_sets_of_one_name_are_refused_and_one_given_twice_is_read_once(folder: Path, tmp_path: Path) -> None:
    assert len(read_collections([folder, folder])) == 1
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "tiny").symlink_to(folder)
    assert len(read_collections([folder, tmp_path / "other" / "tiny"])) == 1
    shutil.copytree(folder, tmp_path / "third" / "tiny")
    with pytest.raises(RelevanceError, match="both called tiny"):
        read_collections([folder, tmp_path / "third" / "tiny"])
