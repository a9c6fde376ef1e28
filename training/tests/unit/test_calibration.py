import json
from pathlib import Path

import pytest

from papers import Paper, passage_text
from training.compression import calibration
from training.errors import CalibrationError


def corpus(count: int) -> list[Paper]:
    return [
        Paper(
            id=f"p{n}",
            title=f"Title {n} of a paper on topic{n}",
            abstract=f"First{n} sentence. Second{n} one. Third{n}.",
        )
        for n in range(count)
    ]


def owner(text: str) -> str | None:
    """Return the number of the paper that a text was made from, if the text holds it."""
    digits = "".join(letter for letter in text if letter.isdigit() or letter == " ").split()
    return digits[0] if digits else None


def draw(papers: list[Paper], seed: int = 0) -> calibration.Texts:
    return calibration.draw(papers, calibration=200, held_out=100, seed=seed, where="papers.jsonl")


def test_no_paper_is_on_both_sides() -> None:
    texts = draw(corpus(60))
    left, right = ({owner(text) for text in side} - {None} for side in (texts.calibration, texts.held_out))
    assert len(left) > 20
    assert len(right) > 10
    assert not left & right


def test_a_paper_under_two_ids_is_on_one_side_only() -> None:
    papers = corpus(60)
    copies = [Paper(id=f"copy-{paper.id}", title=paper.title.upper(), abstract=paper.abstract) for paper in papers]
    texts = draw(papers + copies)
    assert not {owner(text) for text in texts.calibration} & ({owner(text) for text in texts.held_out} - {None})


def test_both_sides_hold_passages_titles_and_short_queries() -> None:
    papers = corpus(60)
    texts = draw(papers)
    for side in (texts.calibration, texts.held_out):
        assert set(side) & {passage_text(paper) for paper in papers}
        assert set(side) & {paper.title for paper in papers}
        assert any(len(text.split()) < 4 for text in side)


def test_papers_do_not_always_give_the_same_kind() -> None:
    papers = corpus(60)
    passages = [text for text in draw(papers).calibration if text in {passage_text(paper) for paper in papers}]
    assert len(set(passages)) > 30


def test_the_texts_depend_on_the_seed() -> None:
    assert draw(corpus(60)) == draw(corpus(60))
    assert draw(corpus(60)) != draw(corpus(60), seed=1)


def test_too_few_papers_are_refused_with_the_file_and_the_number() -> None:
    with pytest.raises(CalibrationError, match=r"papers\.jsonl has 39 different papers"):
        draw(corpus(39))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"nowhere\.jsonl"):
        calibration.read_texts(tmp_path / "nowhere.jsonl")


def test_any_layout_is_read_through_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    lines = [json.dumps({"_id": paper.id, "name": paper.title, "text": paper.abstract}) for paper in corpus(50)]
    path.write_text("\n".join(lines))
    texts = calibration.read_texts(path, mapping="id=_id,title=name,abstract=text")
    assert len(texts.calibration) == 200
