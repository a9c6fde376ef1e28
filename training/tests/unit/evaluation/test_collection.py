import json
from pathlib import Path

import pytest

from training.errors import EvaluationError
from training.evaluation.collection import read_collection, read_collections


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


def test_passages_are_the_texts_that_serving_embeds_and_unjudged_queries_are_left_out(folder: Path) -> None:
    found = read_collection(folder)
    assert found.name == "tiny"
    assert found.passages == ["Wings. They lift.", "Of cabbages", "Of kings"]
    assert found.queries == ["kings", "what lifts"]
    assert found.judgements == [{2: 1}, {0: 3}]


def test_the_digest_changes_with_the_judgements(folder: Path) -> None:
    before = read_collection(folder).digest
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
        ("corpus.jsonl", '{"_id": "a", "text": ""}\n{"_id": "a", "text": ""}', "passage a is there a second time"),
        ("qrels/test.tsv", "query\tdoc\tscore\n1\ta\t1\n", "must have the columns query-id, corpus-id and score"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n1\ta\thigh\n", "must have the columns"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n1\ta\t0\n", "judges nothing relevant"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n1\tz\t1\n", r"test\.tsv:2 judges passage z, which"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n9\ta\t1\n", "judges query 9, which"),
    ],
)
def test_what_cannot_be_read_is_named(folder: Path, file: str, content: str | None, complaint: str) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises(EvaluationError, match=complaint):
        read_collection(folder)


def test_two_sets_of_one_name_are_refused_and_one_given_twice_is_read_once(folder: Path, tmp_path: Path) -> None:
    assert len(read_collections([folder, folder])) == 1
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "tiny").symlink_to(folder)
    assert len(read_collections([folder, tmp_path / "other" / "tiny"])) == 1
    (tmp_path / "third" / "tiny").mkdir(parents=True)
    with pytest.raises(EvaluationError, match="both called tiny"):
        read_collections([folder, tmp_path / "third" / "tiny"])
