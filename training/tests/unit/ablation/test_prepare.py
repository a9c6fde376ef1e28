"""An ablation is prepared of a file of papers and test sets."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from akin.papers import Paper
from akin.relevance import place_inside
from training.ablation import prepare
from training.ablation.measure import read_sets
from training.ablation.rows import read_rows

ROWS = """
common: [experiment=smoke, tracking=none, data=papers, trainer.batch_size=4,
  data.validation_share=0.1, data.held_out_share=0.1]
rows:
  - {name: base, train: false}
  - {name: title, overrides: [pairs=title]}
  - {name: halves, overrides: [pairs=halves]}
"""


@pytest.fixture
def papers(tmp_path: Path, make_papers: Callable[[int], list[Paper]]) -> Path:
    path = tmp_path / "papers.jsonl"
    with path.open("w") as file:
        for paper in make_papers(120):
            record = {"id": paper.id, "title": paper.title, "abstract": paper.abstract, "date": str(paper.published)}
            file.write(json.dumps(record) + "\n")
    (tmp_path / "rows.yaml").write_text(ROWS)
    return path


def arguments(folder: Path, papers: Path, *more: str) -> list[str]:
    mapping = "data.mapping='id=id,title=title,abstract=abstract,published=date'"
    return [str(folder), "--papers", str(papers), "--rows", str(papers.parent / "rows.yaml"), *more, mapping]


def test_rows_pairs_and_lists_are_written_and_no_tested_paper_trains(
    papers: Path, tmp_path: Path, make_papers: Callable[[int], list[Paper]]
) -> None:
    tested = make_papers(3)
    folder = tmp_path / "set"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text(
        "\n".join(json.dumps({"_id": each.id, "title": each.title, "text": each.abstract}) for each in tested)
    )
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": tested[1].title}))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tp1\t1\n")
    target = tmp_path / "ablation"
    assert prepare.main(arguments(target, papers, "--set", str(folder))) == 0
    assert [row.name for row in read_rows(target)] == ["base", "title", "halves"]
    pairs = [json.loads(line) for line in (target / "pairs.jsonl").read_text().splitlines()]
    assert {pair["kind"] for pair in pairs} >= {"title", "halves"}
    titles = {pair["anchor"] for pair in pairs if pair["kind"] == "title"}
    assert len(titles) > 50
    assert not titles & {each.title for each in tested}
    (made,) = read_sets(target / "sets")
    assert made.rows[0][0] == 1


def test_a_set_is_written_as_search_sees_it(tmp_path: Path) -> None:
    """Check that a set inside a larger corpus has all passages, clean texts, and queries without operators."""
    base = tmp_path / "base"
    (base / "qrels").mkdir(parents=True)
    (base / "corpus.jsonl").write_text(json.dumps({"_id": "a", "title": "Solid  helium&amp;ice", "text": "It flows."}))
    queries = [{"_id": "q", "text": "helium -superfluid"}, {"_id": "refused", "text": "!?"}]
    (base / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (base / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\ta\t1\nrefused\ta\t1\n")
    (tmp_path / "more.jsonl").write_text(json.dumps({"_id": "b", "title": "Gas", "text": "A gas of helium."}))
    place_inside(base, tmp_path / "more.jsonl", tmp_path / "large", [])
    prepare.write_searched_set(tmp_path / "large", tmp_path / "sets" / "large")
    (found,) = read_sets(tmp_path / "sets")
    assert found.texts == [("Solid helium&ice", "It flows."), ("Gas", "A gas of helium.")]
    assert found.collection.queries == {"q": "helium", "refused": "!?"}
    assert [sorted(rows.tolist()) for rows in found.rows] == [[0, 1], []]


def test_an_ablation_is_not_written_over_and_a_failed_one_leaves_nothing(
    papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare.main(arguments(tmp_path, papers)) == 1
    assert "Choose another folder" in capsys.readouterr().err
    assert prepare.main(arguments(tmp_path / "new", papers, "--set", str(tmp_path / "nowhere"))) == 1
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
