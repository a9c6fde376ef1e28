"""Papers of test collections do not train."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from akin.papers import Paper
from akin.relevance.duplicates import MinHash, group_duplicates
from training.data.leaks import find_duplicates, read_test_texts
from training.errors import CorpusError

MINHASH = MinHash(shingle=3, bands=8, rows=4)


def write_set(folder: Path, passages: list[tuple[str, str]], queries: list[str]) -> Path:
    (folder / "qrels").mkdir(parents=True)
    lines = [{"_id": f"d{n}", "title": title, "text": text} for n, (title, text) in enumerate(passages)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    lines = [{"_id": f"q{n}", "text": text} for n, text in enumerate(queries)]
    (folder / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    judged = "".join(f"q{n}\td0\t1\n" for n in range(len(queries)))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    return folder


def test_papers_with_the_title_or_text_of_a_passage_or_query_are_found(
    make_papers: Callable[[int], list[Paper]], tmp_path: Path
) -> None:
    papers = make_papers(40)
    rest = papers[2].abstract.split(". ", 1)[1]
    passages = [
        ("Another title", papers[0].abstract),
        (papers[1].title.upper() + "!", "Other words."),
        (papers[2].title, rest),
    ]
    queries = [papers[3].title, papers[4].abstract.replace("At last", "Finally"), "graph kernel"]
    folder = write_set(tmp_path / "set", passages, queries)
    # Paper 39 is a near-duplicate of paper 0 with another title.
    papers[39] = Paper(id="copy", title="A third title", abstract=papers[0].abstract)
    signatures = np.stack([MINHASH.signature(paper) for paper in papers])
    found = find_duplicates(signatures, group_duplicates(signatures), read_test_texts([folder]), MINHASH)
    assert np.flatnonzero(found).tolist() == [0, 1, 2, 3, 4, 39]
    none = find_duplicates(signatures, group_duplicates(signatures), read_test_texts([]), MINHASH)
    assert not none.any()


def test_papers_that_a_set_is_only_placed_among_may_train(
    make_papers: Callable[[int], list[Paper]], tmp_path: Path
) -> None:
    from akin.relevance.loaders.inside import place_inside, write_distractors

    papers = make_papers(40)
    small = write_set(tmp_path / "small", [(papers[0].title, papers[0].abstract)], ["graph kernel"])
    write_distractors(papers, tmp_path / "distractors.jsonl", count=40, seed=1)
    place_inside(small, tmp_path / "distractors.jsonl", tmp_path / "small-large")
    assert {text.title for text in read_test_texts([tmp_path / "small-large"])} == {papers[0].title, "graph kernel"}


def test_a_set_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"evaluation\.sets: .*nowhere"):
        list(read_test_texts([tmp_path / "nowhere"]))
