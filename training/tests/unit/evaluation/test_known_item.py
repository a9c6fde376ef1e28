from pathlib import Path

import pytest

from papers import Paper
from training.errors import EvaluationError
from training.evaluation import read_collection, write_known_items

SENTENCE = "We study the flow over wing number {}, at length and in detail."
REST = "It turns out to be turbulent. " * 5


def papers(count: int) -> list[Paper]:
    return [
        Paper(id=f"p{n}", title=f"Wing {n}", abstract=f"{SENTENCE.format(n)} {REST}", categories=("physics.flu-dyn",))
        for n in range(count)
    ]


def test_titles_look_for_abstracts_without_their_titles(tmp_path: Path) -> None:
    assert write_known_items(papers(30), tmp_path / "known", kind="title", most=20) == 20
    found = read_collection(tmp_path / "known")
    assert len(found.passages) == len(found.queries) == 20
    assert found.queries[3] == "Wing 3"
    assert found.passages[3].startswith("We study the flow over wing number 3,")
    assert found.judgements[3] == {3: 1}


def test_first_sentences_look_for_titles_and_the_rest(tmp_path: Path) -> None:
    write_known_items(papers(12), tmp_path / "known", kind="first_sentence", most=20)
    found = read_collection(tmp_path / "known")
    assert found.queries[3] == SENTENCE.format(3)
    assert found.passages[3].startswith("Wing 3. It turns out")
    assert "number 3" not in found.passages[3]


def test_papers_that_do_not_fit_or_share_a_query_are_left_out(tmp_path: Path) -> None:
    odd = [Paper(id="same", title="WING 1", abstract="Erratum."), Paper(id="none", title="", abstract="Untitled.")]
    assert write_known_items([*papers(12), *odd], tmp_path / "known", kind="title", most=50) == 12


def test_a_set_is_replaced_whole_and_nothing_else_is_ever_removed(tmp_path: Path) -> None:
    folder = tmp_path / "known"
    write_known_items(papers(12), folder, kind="title", most=50)
    with pytest.raises(EvaluationError, match="only 5 papers fit"):
        write_known_items(papers(5), folder, kind="title", most=50)
    assert len(read_collection(folder).passages) == 12
    write_known_items(papers(11), folder, kind="title", most=50)
    assert len(read_collection(folder).passages) == 11
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("precious")
    with pytest.raises(EvaluationError, match="is no test collection: it is left as it is"):
        write_known_items(papers(12), tmp_path / "thesis", kind="title", most=50)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["known", "thesis"]


def test_an_unknown_kind_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="by 'author'; there are: title, first_sentence"):
        write_known_items(papers(12), tmp_path / "known", kind="author", most=50)
