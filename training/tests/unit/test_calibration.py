import json
from collections import Counter
from pathlib import Path

import pytest

from akin.papers import Paper, passage_text
from training.compression import calibration
from training.data.corpus import write_paper
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


MAPPING = "id=_id,title=name,abstract=text"


def write(folder: Path, papers: list[Paper]) -> Path:
    path = folder / "own.jsonl"
    lines = [json.dumps({"_id": paper.id, "name": paper.title, "text": paper.abstract}) for paper in papers]
    path.write_text("\n".join(lines))
    return path


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
        calibration.read_sample(tmp_path / "nowhere.jsonl")


def test_any_layout_is_read_through_a_mapping(tmp_path: Path) -> None:
    papers, count = calibration.read_sample(write(tmp_path, corpus(50)), mapping=MAPPING)
    assert count == 50
    assert [paper.id for paper in papers] == [paper.id for paper in corpus(50)], "all of a small file, in its order"


def test_a_large_file_is_sampled_from_its_first_paper_to_its_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "SAMPLE", 100)
    path = write(tmp_path, corpus(1000))
    drawn = [
        [int(paper.id[1:]) for paper in calibration.read_sample(path, mapping=MAPPING, seed=seed)[0]]
        for seed in range(20)
    ]
    for numbers in drawn:
        assert len(set(numbers)) == 100
        assert numbers == sorted(numbers)
    assert drawn[0] != drawn[1]
    # Each tenth of the file is expected to have a tenth of the 2,000 papers drawn: 200, give or take 14.
    tenths = Counter(number // 100 for numbers in drawn for number in numbers)
    assert min(tenths[tenth] for tenth in range(10)) > 140
    assert max(tenths.values()) < 260


def test_a_part_of_a_run_is_read_as_prepare_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    with path.open("wb") as file:
        for paper in corpus(45):
            write_paper(file, paper)
    assert calibration.read_sample(path, is_part=True) == (corpus(45), 45)
