"""Groups hold the passage that a query was cut from, and near passages that are no better."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from akin.papers import Paper
from training.arrays import Floats
from training.data.corpus import write_paper
from training.errors import ConfigurationError, CorpusError
from training.reranker.candidates import Mining, _fuse, _read, _remember, make_groups

TOPICS = ("quarks", "graphs", "proteins", "markets")


def paper(number: int) -> Paper:
    topic = TOPICS[number % len(TOPICS)]
    opening = (
        "In a note with as many words as an abstract needs so that a search by its title finds enough to read, the"
    )
    return Paper(
        id=f"p{number}", title=f"On {topic} of order {number}", abstract=f"{opening} {topic} have order {number}."
    )


def encode(texts: Sequence[str]) -> Floats:
    """Give texts of one topic, and nearly those of one number, similar vectors."""
    vectors = []
    for text in texts:
        number = int(text.rstrip(".").split()[-1])
        topic = [float(topic in text) for topic in TOPICS]
        vectors.append([*topic, np.cos(number), np.sin(number)])
    found = np.array(vectors, dtype=np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_groups_are_made_of_the_right_passage_and_guarded_negatives() -> None:
    papers = [paper(number) for number in range(80)]
    mining = Mining(kinds=("title",), negatives=3, depth=12, margin=0.05, apart=0.99)
    groups = list(make_groups(papers, encode, mining))
    assert len(groups) > 60
    for group in groups:
        number = int(group["query"].split()[-1])
        assert group["positive"] == papers[number].abstract
        assert group["paper"] == papers[number].id
        assert len(set(group["negatives"])) == 3
        assert group["positive"] not in group["negatives"]
        assert len(group["scores"]) == 4
        query, right = encode([group["query"]])[0], encode([group["positive"]])[0]
        assert all(query @ encode([text])[0] <= 0.95 * (query @ right) + 1e-6 for text in group["negatives"])
        assert all(right @ encode([text])[0] <= 0.99 + 1e-6 for text in group["negatives"])
    # Most negatives are near: they are of the query's topic.
    topics = [group["query"].split()[1] in text for group in groups for text in group["negatives"]]
    assert np.mean(topics) > 0.5
    assert groups == list(make_groups(papers, encode, mining)), "the same seed gives the same groups"


def test_only_whole_passages_are_remembered() -> None:
    encoded: list[str] = []

    def count(texts: Sequence[str]) -> Floats:
        encoded.extend(texts)
        return encode(texts)

    remembering = _remember(count, {"quarks 1", "graphs 2"})
    for texts in (["quarks 1", "markets 3", "quarks 1"], ["graphs 2", "quarks 1", "markets 3"], ["quarks 1"]):
        assert np.array_equal(remembering(texts), encode(texts))
    assert encoded == ["quarks 1", "markets 3", "graphs 2", "markets 3"]


def test_a_query_that_two_papers_give_is_left_out() -> None:
    papers = [paper(number) for number in range(40)]
    twin = Paper(id="twin", title=papers[0].title, abstract=f"Another text. {papers[0].abstract}")
    queries = {group["query"] for group in make_groups([*papers, twin], encode, Mining(kinds=("title",), negatives=2))}
    assert papers[1].title in queries
    assert papers[0].title not in queries


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ConfigurationError, match="no kind 'verse'"):
        list(make_groups([], encode, Mining(kinds=("verse",))))
    with pytest.raises(CorpusError, match="0 of 0 papers"):
        list(make_groups([], encode, Mining(kinds=("title",))))


def test_rankings_are_joined_by_the_mean_of_their_shares() -> None:
    found, scores = _fuse(
        (np.array([4, 2]), np.array([0.9, 0.5], dtype=np.float32)),
        (np.array([2, 7, -1]), np.array([9.0, 3.0, 0.0], dtype=np.float32)),
    )
    assert found.tolist() == [2, 4, 7]
    assert scores == {2: 0.5, 4: 0.5, 7: 0.0}


def test_a_run_gives_its_training_part(tmp_path: Path) -> None:
    (tmp_path / "prepare").mkdir()
    with (tmp_path / "prepare" / "train.jsonl").open("wb") as file:
        for number in range(3):
            write_paper(file, paper(number))
    assert list(_read(tmp_path, None)) == [paper(number) for number in range(3)]
    with pytest.raises(CorpusError, match="cannot be read"):
        list(_read(tmp_path / "prepare", None))


def test_every_kind_of_search_gives_groups() -> None:
    rest = "It has many more words here, so that what remains of the abstract is long enough to be searched in."
    papers = [
        Paper(
            id=f"p{number}",
            title=f"How do charged {TOPICS[number % 4]} of order {number} behave in strong fields?",
            abstract=f"Much is known of them. We show that {TOPICS[number % 4]} of the order {number} never collapse "
            f"under pressure. {rest} The order is {number}.",
        )
        for number in range(60)
    ]
    for kind, query, without in (
        ("question", "How do", "How do"),
        ("claim", "never collapse", "never collapse"),
        ("title", "How do", "How do"),
    ):
        groups = list(make_groups(papers, encode_any, Mining(kinds=(kind,), negatives=2, margin=-1, apart=1.1)))
        assert len(groups) > 30, kind
        assert all(query in group["query"] and without not in group["positive"] for group in groups)


def encode_any(texts: Sequence[str]) -> Floats:
    """Give each text a vector by its letters."""
    found = np.array([[text.count(letter) for letter in "abcdefghijklmnop"] for text in texts], dtype=np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)
