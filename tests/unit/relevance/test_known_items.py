from pathlib import Path

import pytest

from akin.papers import Paper
from akin.relevance import RelevanceError, read_collection, write_known_items

SENTENCE = "We study the flow over wing number {}, at length and in detail."
REST = "It turns out to be turbulent. " * 5


def papers(count: int) -> list[Paper]:
    return [
        Paper(id=f"p{n}", title=f"Wing {n}", abstract=f"{SENTENCE.format(n)} {REST}", categories=("physics.flu-dyn",))
        for n in range(count)
    ]


def test_titles_look_for_abstracts_without_their_titles(tmp_path: Path) -> None:
    assert write_known_items(papers(20), tmp_path / "known", kind="title", most=20) == 20
    found = read_collection(tmp_path / "known")
    assert len(found.passages) == len(found.queries) == 20
    assert found.queries["p3"] == "Wing 3"
    assert found.passages["p3"].startswith("We study the flow over wing number 3,")
    assert found.qrels["p3"] == {"p3": 1}


def test_the_set_is_an_even_sample_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert write_known_items(papers(2_000), tmp_path / name, kind="title", most=200, seed=seed) == 200
    first, same, other = (read_collection(tmp_path / name).queries.keys() for name in "abc")
    assert first == same != other
    assert 800 < sum(int(identity[1:]) for identity in first) / 200 < 1_200


def test_first_sentences_look_for_titles_and_the_rest(tmp_path: Path) -> None:
    write_known_items(papers(12), tmp_path / "known", kind="first_sentence", most=20)
    found = read_collection(tmp_path / "known")
    assert found.queries["p3"] == SENTENCE.format(3)
    assert found.passages["p3"].startswith("Wing 3. It turns out")
    assert "number 3" not in found.passages["p3"]


def test_last_sentences_look_for_titles_and_the_sentences_before(tmp_path: Path) -> None:
    found = [Paper(id=f"p{n}", title=f"Title {n}", abstract=f"First {n}. Middle {n}. Last {n}.") for n in range(3)]
    single = Paper(id="p3", title="Title 3", abstract="Only one.")
    assert write_known_items([*found, single], tmp_path / "lasts", kind="last_sentence", most=9, fewest=1) == 3
    collection = read_collection(tmp_path / "lasts")
    assert collection.queries["p1"] == "Last 1."
    assert collection.passages["p1"] == "Title 1. First 1. Middle 1."
    assert "Last" not in collection.corpus.read_text()


def test_the_files_of_a_set_are_these_bytes(tmp_path: Path) -> None:
    paper = Paper(id="p0", title="Ölfilm", abstract="On wings.")
    write_known_items([paper], tmp_path / "known", kind="title", most=1, fewest=1)
    contents = {name: (tmp_path / "known" / name).read_text() for name in ("corpus.jsonl", "queries.jsonl")}
    assert contents == {
        "corpus.jsonl": '{"_id": "p0", "title": "", "text": "On wings."}\n',
        "queries.jsonl": '{"_id": "p0", "text": "Ölfilm"}\n',
    }
    assert (tmp_path / "known" / "qrels/test.tsv").read_text() == "query-id\tcorpus-id\tscore\np0\tp0\t1\n"


def test_papers_that_do_not_fit_or_share_a_query_are_left_out(tmp_path: Path) -> None:
    odd = [Paper(id="same", title="WING 1", abstract="Erratum."), Paper(id="none", title="", abstract="Untitled.")]
    assert write_known_items([*papers(12), *odd], tmp_path / "known", kind="title", most=50) == 12


def test_a_set_is_replaced_whole_and_nothing_else_is_ever_removed(tmp_path: Path) -> None:
    folder = tmp_path / "known"
    write_known_items(papers(12), folder, kind="title", most=50)
    with pytest.raises(RelevanceError, match="only 5 papers fit"):
        write_known_items(papers(5), folder, kind="title", most=50)
    assert len(read_collection(folder).passages) == 12
    write_known_items(papers(11), folder, kind="title", most=50)
    assert len(read_collection(folder).passages) == 11
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("precious")
    with pytest.raises(RelevanceError, match="is not a test collection, so it is not replaced"):
        write_known_items(papers(12), tmp_path / "thesis", kind="title", most=50)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["known", "thesis"]


def test_an_unknown_kind_is_refused_with_the_known_kinds(tmp_path: Path) -> None:
    with pytest.raises(RelevanceError, match="by 'author'; choose one of: title, first_sentence"):
        write_known_items(papers(12), tmp_path / "known", kind="author", most=50)
