import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest

from akin.feedback import export
from akin.feedback.records import EncoderRecord, Mark, MarkedSearch, ShownSearch
from akin.papers import Paper, passage_text
from training.data.corpus import TrainingCorpus, read_corpus, write_groups, write_paper
from training.data.pairs import (
    FEEDBACK_KINDS,
    ONE_PAPER_SOURCES,
    Pair,
    PairsConfig,
    PairSource,
    halves,
    make_pairs,
    subject_pairs,
)
from training.errors import CorpusError


def settings(**changed: object) -> PairsConfig:
    return PairsConfig(
        **{
            "shares": {"title": 1},
            "per_paper": False,
            "most": None,
            "balanced": False,
            "citations": None,
            "feedback": None,
            "labelled": False,
            **changed,
        }
    )


def write_corpus(folder: Path, papers: list[Paper]) -> TrainingCorpus:
    path = folder / "papers.jsonl"
    with path.open("wb") as file:
        for paper in papers:
            write_paper(file, paper)
    assert list(read_corpus(path)) == papers
    return TrainingCorpus(path)


@pytest.fixture
def papers(make_papers: Callable[[int], list[Paper]]) -> list[Paper]:
    return make_papers(60)


@pytest.fixture
def corpus(tmp_path: Path, papers: list[Paper]) -> Iterator[TrainingCorpus]:
    made = write_corpus(tmp_path, papers)
    yield made
    made.close()


def test_two_sources_divide_the_papers(corpus: TrainingCorpus, papers: list[Paper]) -> None:
    pairs = list(make_pairs(corpus, settings(shares={"title": 1, "first_sentence": 1}), seed=0))
    titles = {paper.title: paper for paper in papers}
    assert Counter(pair.kind for pair in pairs) == {"title": 30, "first_sentence": 30}
    for pair in pairs:
        if pair.kind == "title":
            assert titles[pair.anchor].abstract == pair.positive
        else:
            assert pair.anchor.startswith("We study")
            assert pair.anchor not in pair.positive
    by_title = {pair.anchor for pair in pairs if pair.kind == "title"}
    by_sentence = {pair.positive.split(". ")[0] for pair in pairs if pair.kind == "first_sentence"}
    assert not by_title & by_sentence


def test_every_paper_gives_a_pair_of_every_source_if_requested(corpus: TrainingCorpus) -> None:
    shares = {"title": 1, "first_sentence": 1, "last_sentence": 1, "halves": 0.5}
    pairs = list(make_pairs(corpus, settings(shares=shares, per_paper=True), seed=0))
    assert Counter(pair.kind for pair in pairs) == {
        "title": 60,
        "first_sentence": 60,
        "last_sentence": 60,
        "halves": 30,
    }
    papers = {kind: {pair.groups for pair in pairs if pair.kind == kind} for kind in shares}
    assert len(papers["title"]) == 60
    assert papers["title"] == papers["first_sentence"] == papers["last_sentence"] > papers["halves"]
    few = Counter(p.kind for p in make_pairs(corpus, settings(shares=shares, per_paper=True, most=35), seed=0))
    assert few == {"title": 10, "first_sentence": 10, "last_sentence": 10, "halves": 5}


def test_the_sources_are_mixed_in_the_file(corpus: TrainingCorpus) -> None:
    kinds = [pair.kind for pair in make_pairs(corpus, settings(shares={"title": 1, "halves": 1}), seed=0)]
    assert 10 < kinds[:30].count("title") < 20


def test_pairs_name_the_groups_of_near_duplicates_of_their_papers(tmp_path: Path, papers: list[Paper]) -> None:
    write_corpus(tmp_path, papers).close()
    write_groups(tmp_path / "papers.jsonl", np.arange(60, dtype=np.int32) // 2)
    corpus = TrainingCorpus(tmp_path / "papers.jsonl")
    by_title = {pair.anchor: pair.groups for pair in make_pairs(corpus, settings(), seed=0)}
    assert [by_title[paper.title] for paper in papers[:4]] == [(0,), (0,), (1,), (1,)]
    of_papers = {paper.abstract: number // 2 for number, paper in enumerate(papers)}
    for pair in make_pairs(corpus, settings(shares={"subject": 1}, labelled=True), seed=0):
        assert set(pair.groups) == {of_papers[pair.anchor], of_papers[pair.positive]}
    corpus.close()
    write_groups(tmp_path / "papers.jsonl", np.arange(59, dtype=np.int32))
    with pytest.raises(CorpusError, match="run `prepare` again"):
        TrainingCorpus(tmp_path / "papers.jsonl")


def test_the_same_seed_gives_the_same_pairs_and_most_limits_them(corpus: TrainingCorpus) -> None:
    first = list(make_pairs(corpus, settings(most=10), seed=1))
    assert first == list(make_pairs(corpus, settings(most=10), seed=1))
    assert first != list(make_pairs(corpus, settings(most=10), seed=2))
    assert len(first) == 10


def test_two_halves_joined_are_the_abstract(corpus: TrainingCorpus, papers: list[Paper]) -> None:
    whole = {paper.abstract for paper in papers}
    pairs = list(make_pairs(corpus, settings(shares={"halves": 1}), seed=0))
    assert {f"{pair.anchor} {pair.positive}" for pair in pairs} == whole


def test_one_sentence_has_no_halves() -> None:
    assert halves("No end at all") is None


def subject_of(papers: list[Paper]) -> dict[str, str]:
    return {paper.abstract: paper.categories[0] for paper in papers}


def test_only_pairs_labelled_1_share_a_subject(corpus: TrainingCorpus, papers: list[Paper]) -> None:
    subject = subject_of(papers)
    pairs = list(subject_pairs(corpus, 50, balanced=False, labelled=True))
    assert Counter(pair.label for pair in pairs) == {1: 50, 0: 50}
    for pair in pairs:
        assert (subject[pair.anchor] == subject[pair.positive]) == (pair.label == 1)
        assert pair.anchor != pair.positive


def test_balanced_subjects_are_drawn_equally_often(tmp_path: Path, papers: list[Paper]) -> None:
    rare = [p for p in papers if p.categories[0] == "cs.IR"][:2] + [p for p in papers if p.categories[0] == "hep-th"]
    corpus, subject = write_corpus(tmp_path, rare), subject_of(papers)
    counts = {
        balanced: Counter(subject[pair.anchor] for pair in subject_pairs(corpus, 400, balanced=balanced))
        for balanced in (True, False)
    }
    corpus.close()
    assert 150 < counts[True]["cs.IR"] < 250
    assert counts[False]["cs.IR"] < 80


def test_subjects_of_one_paper_each_are_refused(tmp_path: Path, papers: list[Paper]) -> None:
    corpus = write_corpus(tmp_path, papers[:3])
    with pytest.raises(CorpusError, match="no subject has two papers"):
        list(subject_pairs(corpus, 5, balanced=False))
    corpus.close()


def test_citations_are_read_from_a_file(corpus: TrainingCorpus, papers: list[Paper], tmp_path: Path) -> None:
    file = tmp_path / "citations.jsonl"
    lines = [{"citing": "p1", "cited": "p2"}, {"citing": "p1", "cited": "elsewhere"}]
    file.write_text("\n".join(map(json.dumps, lines)))
    (pair,) = make_pairs(corpus, settings(shares={"citation": 1}, citations=str(file)), seed=0)
    assert papers[1].title in pair.anchor
    assert papers[2].abstract in pair.positive
    file.write_text(json.dumps({"citing": "a", "cited": "b"}))
    with pytest.raises(CorpusError, match=r"pairs\.citations"):
        list(make_pairs(corpus, settings(shares={"citation": 1}, citations=str(file)), seed=0))
    with pytest.raises(CorpusError, match=r"pairs\.citations"):
        list(make_pairs(corpus, settings(shares={"citation": 1}), seed=0))


def test_what_readers_said_is_read_from_an_export(corpus: TrainingCorpus, papers: list[Paper], tmp_path: Path) -> None:
    searches = [
        MarkedSearch(
            ShownSearch(
                id=name, time="", parameters={}, words=name, mode="hybrid", shown=shown,
                encoder=EncoderRecord(1, "d", "s"),
            ),
            [Mark(paper=paper, rank=1, time="", useful=useful) for paper, useful in zip(shown, said, strict=True)],
        )
        for name, shown, said in [
            ("good and bad", ["p1", "p2"], [True, False]),
            ("good", ["p3"], [True]),
            ("held out", ["p4", "elsewhere"], [True, False]),
        ]
    ]  # fmt: skip
    everything = [*papers, Paper("elsewhere", "Elsewhere", "Held out.")]

    class Catalogue:
        def rows(self, ids: list[str]) -> dict[str, int]:
            return {paper.id: row for row, paper in enumerate(everything) if paper.id in ids}

        def papers(self, rows: list[int]) -> list[Paper]:
            return [everything[row] for row in rows]

    exported, _ = export.pairs(searches, Catalogue())  # type: ignore[arg-type]
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(map(json.dumps, exported)))
    shares = {"feedback": 1, "feedback_negatives": 1}
    found = {pair.anchor: pair for pair in make_pairs(corpus, settings(shares=shares, feedback=str(file)), seed=0)}
    assert found.keys() == {"good and bad", "good"}
    assert found["good"] == Pair("feedback", "good", passage_text(papers[3]), groups=(3,))
    both = found["good and bad"]
    assert (both.kind, both.positive, both.negative_1) == (
        "feedback_negatives", passage_text(papers[1]), passage_text(papers[2]),
    )  # fmt: skip
    assert set(both.groups) == {1, 2}
    # The texts are the corpus's own, which are the same as those of the export here.
    assert {key: value for key, value in msgspec.to_builtins(both).items() if key != "groups"} == {
        key: value for key, value in exported[0].items() if key != "papers"
    }
    for wrong in (None, str(tmp_path / "none.jsonl")):
        with pytest.raises(CorpusError, match=r"pairs\.feedback"):
            list(make_pairs(corpus, settings(shares=shares, feedback=wrong), seed=0))
    file.write_text(json.dumps(exported[1]))
    with pytest.raises(CorpusError, match=r"pairs\.shares\.feedback_negatives: none of the 1 pairs"):
        list(make_pairs(corpus, settings(shares={"feedback_negatives": 1}, feedback=str(file)), seed=0))


def test_related_papers_are_neighbours(tmp_path: Path, papers: list[Paper]) -> None:
    reply = Paper(id="reply", title=f"Comment on: {papers[3].title}", abstract=papers[40].title * 3 + " is discussed.")
    corpus = write_corpus(tmp_path, [*papers[:20], reply])
    (pair,) = make_pairs(corpus, settings(shares={"neighbours": 1}), seed=0)
    assert {pair.anchor, pair.positive} in (
        {reply.abstract, passage_text(papers[3])},
        {papers[3].abstract, passage_text(reply)},
    )
    assert set(pair.groups) == {3, 20}
    corpus.close()
    corpus = write_corpus(tmp_path, papers[:20])
    with pytest.raises(CorpusError, match="no two papers of the corpus are related"):
        list(make_pairs(corpus, settings(shares={"neighbours": 1}), seed=0))
    corpus.close()


def test_shares_of_zero_are_refused(corpus: TrainingCorpus) -> None:
    with pytest.raises(CorpusError, match=r"pairs\.shares"):
        list(make_pairs(corpus, settings(shares={"title": 0}), seed=0))


def test_every_source_that_can_be_configured_has_a_function() -> None:
    assert {*ONE_PAPER_SOURCES, "subject", "citation", "keywords", "neighbours", *FEEDBACK_KINDS} == set(
        get_args(PairSource)
    )
