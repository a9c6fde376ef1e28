"""Sets of all kinds from papers of the test's own, alone and inside a larger corpus."""

from __future__ import annotations

import json
from datetime import date
from itertools import product
from pathlib import Path

import msgspec
import pytest

from akin.papers import Author, Paper
from akin.relevance import (
    KINDS,
    RelevanceError,
    corpus_file,
    make_sets,
    place_inside,
    query_slices,
    read_collection,
    read_collections,
    write_distractors,
)

ANIMALS = "badger heron falcon otter lynx marten osprey salmon beaver weasel magpie jackdaw".split()
PLACES = "river marsh forest canyon glacier".split()


def made_papers() -> list[Paper]:
    """Return 60 papers that fit every kind: five of every animal, with the same two authors, on five places."""
    papers = []
    for number, (animal, place) in enumerate(product(ANIMALS, PLACES)):
        before, after = (
            " ".join(f"{part}{animal}{place}{letter}{end}" for letter in "abcdefghijklmno" for end in "xyz")
            for part in ("Uh", "oh")
        )
        papers.append(
            Paper(
                id=f"{number}",
                title=f"{animal.title()} colonies beside a {place}: nesting of {animal}kin, {animal} {place} census",
                abstract=f"{before}. How many {animal} colonies does a {place} with rapids feed? "
                f"We show that {animal} colonies avoid each {place} with steep frozen banks. "
                f"The {animal} is {after}.",
                authors=(Author(animal.title(), "Ann"), Author("Bird", animal.title())),
                categories=("q-bio.PE", "stat.AP") if number % 2 else ("cmp-lg",),
                published=date(2026 if number % 5 == 0 else 2001, 1, 1),
            )
        )
    return papers


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_kinds_are_made_alone_and_inside_the_larger_corpus(tmp_path: Path) -> None:
    papers = made_papers()
    lines: list[str] = []
    made = make_sets(papers, tmp_path / "sets", queries=30, source={"file": "made"}, report=lines.append)
    kinds = [kind for kind in KINDS if kind != "citations"]  # who cites whom is not known here
    assert [each.kind for each in made] == kinds
    assert all(each.queries >= 10 for each in made), made
    assert any(line.startswith("claim: 30 queries out of 60") for line in lines)
    found = {each.name: each for each in read_collections([tmp_path / "sets"])}
    assert set(found) == {name for kind in kinds for name in (kind, f"{kind}-large")}
    for each in made:
        alone, large = found[each.name], found[f"{each.name}-large"]
        assert len(alone.passages) == each.passages
        assert len(large.passages) == each.passages + each.distractors
        assert alone.kind == large.kind == each.kind
        assert alone.about["source"] == {"file": "made", "papers": 60}
        assert dict(large.queries) == dict(alone.queries)
        assert large.qrels == alone.qrels
        assert alone.passages.items() <= large.passages.items()
        assert large.digest != alone.digest
        assert not (large.folder / "corpus.jsonl").exists()
    claim = found["claim-large"]
    for query, text in claim.queries.items():
        assert text.casefold() not in claim.passages[query].casefold()


def test_a_query_that_is_a_whole_abstract_is_not_in_its_corpus(tmp_path: Path) -> None:
    make_sets(made_papers(), tmp_path / "sets", kinds=["neighbours"])
    large = read_collection(tmp_path / "sets" / "neighbours-large")
    assert large.queries.keys().isdisjoint(large.passages)
    animal = {paper.id: paper.authors[0].family for paper in made_papers()}
    for query, gains in large.qrels.items():
        assert {animal[passage] for passage in gains} == {animal[query]}
        assert len(gains) == 4


def test_a_paper_looks_for_what_it_cites(tmp_path: Path) -> None:
    papers = made_papers()
    ids = [paper.id for paper in papers]
    citations = {ids[at]: frozenset([*ids[at + 20 : at + 24], "elsewhere"]) for at in range(20)}
    made = make_sets(papers, tmp_path / "sets", kinds=["citations"], citations=citations, distractors=0)
    (each,) = made
    assert each.candidates == each.queries == 20
    found = read_collection(tmp_path / "sets" / "citations")
    assert found.queries.keys().isdisjoint(found.passages)
    assert {query: frozenset(gains) for query, gains in found.qrels.items()} == {
        query: cited - {"elsewhere"} for query, cited in citations.items()
    }
    with pytest.raises(RelevanceError, match="give --citations FILE"):
        make_sets(papers, tmp_path / "sets", kinds=["citations"])


def test_equal_seeds_give_equal_bytes_and_other_seeds_other_queries(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_sets(made_papers(), tmp_path / name, kinds=["claim", "keywords"], queries=20, seed=seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    first, other = (read_collection(tmp_path / name / "claim") for name in "ac")
    assert set(first.queries) != set(other.queries)
    # Not the first ones of the file.
    assert max(map(int, first.queries)) > 40


def test_the_newest_papers_make_sets_of_their_own(tmp_path: Path) -> None:
    made = make_sets(made_papers(), tmp_path / "sets", kinds=["title"], since=date(2025, 1, 1), distractors=0)
    assert [(each.name, each.queries) for each in made] == [("title", 48), ("title-since-2025-01-01", 12)]
    new = read_collection(tmp_path / "sets" / "title-since-2025-01-01")
    assert {facts["published"] for facts in new.records.values()} == {"2026-01-01"}
    assert new.about["newest"] is True
    assert not (tmp_path / "sets" / "distractors.jsonl").exists()


def test_queries_of_several_papers_and_withdrawn_papers_are_left_out(tmp_path: Path) -> None:
    papers = made_papers()
    same = [
        Paper(id=f"same{n}", title="The very same title", abstract=f"{paper.abstract} {n}")
        for n, paper in zip(range(50), papers, strict=False)
    ]
    gone = [Paper(id="gone", title="A paper that is gone", abstract=papers[0].abstract, withdrawn=True)]
    make_sets([*papers, *same, *gone], tmp_path / "sets", kinds=["title"], queries=500)
    large = read_collection(tmp_path / "sets" / "title-large")
    assert not {query for query in large.queries if not query.isdecimal()}
    assert "gone" not in large.passages


def test_near_duplicates_of_judged_passages_are_no_distractors(tmp_path: Path) -> None:
    papers = made_papers()
    copies = [
        Paper(
            id=f"copy{each.id}",
            title=f"{each.title} (extended)",
            abstract=each.abstract.replace("rapids", "strong rapids").replace("steep", "very steep"),
        )
        for each in papers
    ]
    make_sets([*papers, *copies], tmp_path / "sets", kinds=["claim", "question"], queries=20)
    for each in read_collections([tmp_path / "sets" / "claim-large", tmp_path / "sets" / "question-large"]):
        judged = {passage.removeprefix("copy") for gains in each.qrels.values() for passage in gains}
        assert len(judged) == 20
        for identity in judged:
            assert (identity in each.passages) != (f"copy{identity}" in each.passages)


def test_too_few_papers_make_no_set_and_say_so(tmp_path: Path) -> None:
    with pytest.raises(RelevanceError, match="no kind of search has 10 queries"):
        make_sets(made_papers()[:5], tmp_path / "sets")
    with pytest.raises(RelevanceError, match="no kind of search called 'author'; choose from: question, keywords"):
        make_sets(made_papers(), tmp_path / "sets", kinds=["author"])
    with pytest.raises(RelevanceError, match="or more pairs of ids: the paper of a query cites 3 of them or more"):
        make_sets(made_papers(), tmp_path / "sets", kinds=["citations"], citations={"a": frozenset(["b"])})


def test_papers_without_abstracts_are_named_as_the_reason(tmp_path: Path) -> None:
    bare = [msgspec.structs.replace(paper, abstract="") for paper in made_papers()[:20]]
    with pytest.raises(RelevanceError, match=r"in these 20 papers: none has an abstract\. Give papers with"):
        make_sets(bare, tmp_path / "sets")
    with pytest.raises(RelevanceError, match="no paper to make sets of: records without an abstract and withdrawn"):
        make_sets([], tmp_path / "sets")


def test_a_failure_leaves_the_sets_and_the_larger_corpus_that_are_there(tmp_path: Path) -> None:
    folder = tmp_path / "sets"
    with pytest.raises(RelevanceError, match="no kind of search has 10 queries"):
        make_sets(made_papers()[:5], folder)
    assert not folder.exists()
    make_sets(made_papers(), folder, kinds=["title"], queries=20)
    (folder / "claim").mkdir()
    (folder / "claim/mine.txt").write_text("notes")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(RelevanceError, match="claim exists and is not a test collection"):
        make_sets(made_papers(), folder, kinds=["title", "claim"], seed=2)
    with pytest.raises(RelevanceError, match="no kind of search has 10 queries"):
        make_sets(made_papers()[:5], folder)
    with pytest.raises(RelevanceError, match="no kind of search called ''; choose from"):
        make_sets(made_papers(), folder, kinds=[""])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_kind_that_is_named_twice_makes_one_set(tmp_path: Path) -> None:
    made = make_sets(made_papers(), tmp_path / "sets", kinds=["title", "title"], distractors=0)
    assert [each.name for each in made] == ["title"]


def beir(folder: Path) -> Path:
    (folder / "qrels").mkdir(parents=True)
    paper = made_papers()[3]
    passages = [
        {"_id": "x", "title": "Retitled", "text": paper.abstract},
        {"_id": "1", "title": "Wings", "text": "Of oil"},
    ]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, passages)))
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "colonies of the heron"}')
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tx\t2\n")
    return folder


def test_a_foreign_set_is_put_inside_other_papers_without_duplicates_of_its_passages(tmp_path: Path) -> None:
    base = beir(tmp_path / "foreign")
    ids = write_distractors(made_papers(), tmp_path / "others.jsonl", count=40, seed=1)
    assert len(ids) == 40
    write_distractors(made_papers(), tmp_path / "others.jsonl", count=100, seed=1)
    place_inside(base, tmp_path / "others.jsonl", tmp_path / "wide" / "foreign-large")
    found = read_collection(tmp_path / "wide" / "foreign-large")
    assert found.name == "foreign-large"
    assert found.qrels == {"q": {"x": 2}}
    assert len(found.passages) == 2 + 60 - 2  # without the copy of x, and without the other paper called 1
    assert found.passages["1"] == "Wings. Of oil"
    assert "3" not in found.passages
    assert (tmp_path / "wide/foreign-large/set.json").stat().st_size < 1_000


def test_a_larger_corpus_can_be_written_as_one_file(tmp_path: Path) -> None:
    make_sets(made_papers(), tmp_path / "sets", kinds=["claim"], queries=20)
    alone, large = read_collections([tmp_path / "sets"])
    assert corpus_file(alone, tmp_path / "files") == alone.corpus
    path = corpus_file(large, tmp_path / "files")
    assert path == tmp_path / "files" / "claim-large.jsonl"
    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert [record["_id"] for record in written] == list(large.passages)
    assert written[0]["title"]


def test_a_larger_corpus_that_has_changed_is_refused(tmp_path: Path) -> None:
    write_distractors(made_papers(), tmp_path / "others.jsonl", count=40, seed=1)
    place_inside(beir(tmp_path / "foreign"), tmp_path / "others.jsonl", tmp_path / "large")
    write_distractors(made_papers(), tmp_path / "others.jsonl", count=41, seed=1)
    with pytest.raises(RelevanceError, match=r"others\.jsonl is not the file that .*set\.json was made with"):
        _ = read_collection(tmp_path / "large").passages
    (tmp_path / "large/set.json").write_text('{"set": "../foreign", "distractors": {"papers": "../others.jsonl"}}')
    with pytest.raises(RelevanceError, match=r"set\.json must have set, and distractors .*'sha256' is missing"):
        read_collection(tmp_path / "large")


def test_slices_are_of_year_archive_and_length(tmp_path: Path) -> None:
    make_sets(made_papers(), tmp_path / "sets", kinds=["question"], distractors=0)
    found = query_slices(read_collection(tmp_path / "sets" / "question"), fewest=5)
    assert {name: len(queries) for name, queries in found.items()} == {
        "archive cs": 30,
        "archive q-bio": 30,
        "year 2000–2009": 48,
        "year since 2025": 12,
    }
    assert "archive cs" not in query_slices(read_collection(tmp_path / "sets" / "question"), fewest=31)
    foreign = query_slices(read_collection(beir(tmp_path / "foreign")), fewest=0)
    assert foreign == {}
