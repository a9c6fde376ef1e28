"""References are resolved to papers by ids, and by title where authors and year agree."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from akin.papers import Author, Paper
from akin.papers.bibliography.references import Reference, TooManyReferences, read_references
from retrieval_service.errors import InvalidParameter
from retrieval_service.ports import Hits
from retrieval_service.routes.resolve import ResolveRequest, _read
from retrieval_service.search.resolving import ResolvedReference, resolve
from retrieval_service.search.title_agreement import agreement, read_paper, read_reference

KITES = "Wide Kites and Their Strings: a Survey of the North"


def paper(title: str, *families: str, year: int | None = 2020, paper_id: str = "2001.10001", **more: Any) -> Paper:
    authors = tuple(Author(family, "A.") for family in families)
    return Paper(paper_id, title, "", authors, published=date(year, 5, 1) if year else None, **more)


def agree(reference: Reference, of: Paper) -> float:
    return agreement(read_reference(reference), read_paper(of))


@pytest.mark.parametrize(
    ("title", "authors", "year", "confidence"),
    [
        ("wide {K}ites -- and their <i>strings</i>. A SURVEY OF THE NORTH", ("Lind",), 2031, 0.99),
        (KITES, (), None, 0.95),
        (KITES, (), 2020, 0.95),
        (KITES, (), 2031, 0.0),
        (KITES, ("Other",), 2020, 0.0),
        ("Wide kites and their strings", ("Lind",), 2021, 0.9),
        ("Wide kites and their stri", ("Lind",), None, 0.9),
        (f"{KITES} and of the South Pole", ("Lind",), 2020, 0.9),
        (f"{KITES} II", ("Lind",), 2020, 0.0),
        (f"{KITES}. Part two", ("Lind",), 2020, 0.0),
        (f"{KITES}: Erratum", ("Lind",), 2020, 0.0),
        ("Wide kites and their strings", (), 2020, 0.0),
        ("Wide kites and their strings", ("Lind",), 2010, 0.0),
        ("Wide kites", ("Lind",), 2020, 0.0),
        ("Wide Kites and Their Stirngs: Survey of the Nort", ("van der Lind",), 2020, 0.85),
        ("Wide Kites and Their Strings: a Survey of the South", ("Lind",), 2020, 0.0),
        ("Wide Kites and Their Springs: a Survey of the North", (), 2020, 0.0),
        ("", ("Lind",), 2020, 0.0),
    ],
)
def test_the_rule_for_titles(title: str, authors: tuple[str, ...], year: int | None, confidence: float) -> None:
    reference = Reference(title=title, authors=authors, year=year)
    assert agree(reference, paper(KITES, "Reyes", "Lind")) == confidence


def test_titles_that_differ_in_a_number_are_two() -> None:
    for one, other in (("in 2D", "in 3D"), ("of order 1", "of order 2"), ("type I", "type II")):
        reference = Reference(title=f"Motion of wide kites {one}", authors=("Lind",), year=2020)
        assert agree(reference, paper(f"Motion of wide kites {other}", "Lind")) == 0.0
    symmetric = Reference(title="The symmetric motion of kites", authors=("Lind",), year=2020)
    assert agree(symmetric, paper("The asymmetric motion of kites", "Lind")) == 0.0


def test_a_short_title_needs_authors_and_year() -> None:
    assert agree(Reference(title="Preface", authors=("Lind",), year=2020), paper("Preface", "Lind")) == 0.99
    assert agree(Reference(title="Preface", authors=("Lind",)), paper("Preface", "Lind")) == 0.0
    assert agree(Reference(title="Preface", year=2020), paper("Preface", "Lind")) == 0.0


class ByWords:
    """A lexical index that finds papers by any word of their title."""

    def __init__(self, papers: list[Paper]) -> None:
        self.titles = [set(each.title.lower().split()) for each in papers]

    def search(self, text: str, k: int) -> Hits:
        rows = [row for row, words in enumerate(self.titles) if words & set(text.lower().split())][:k]
        return Hits(np.asarray(rows, np.int64), np.ones(len(rows), np.float32))


@pytest.fixture
def find(fakes: Any) -> Any:
    papers = [
        paper(KITES, "Lind", doi="10.1000/ABC"),
        paper("Narrow kites of the south", "Zed", paper_id="hep-th/9901001"),
        paper("A tale of two kites in the wind", "Zed", paper_id="zed2001", year=2001),
        paper("A tale of two kites in the wind", "Zed", paper_id="zed2004", year=2004),
        paper("A kite with a DOI of its own", "Zed", paper_id="10.1000/own", doi="10.1000/own"),
    ]
    corpus: Any = SimpleNamespace(catalogue=fakes.ListCatalogue(papers), lexical=ByWords(papers))

    async def found(*references: Reference) -> list[ResolvedReference]:
        with ThreadPoolExecutor(1) as executor:
            return await resolve(executor, corpus, references)

    return found


async def test_ids_first_then_dois_then_titles_in_order(find: Any) -> None:
    references = [
        Reference(line=7, key="a", text="A", arxiv_id="2001.10001", doi="10.1000/own", title="Another title"),
        Reference(doi="10.1000/ABC", title="Another title"),
        Reference(title=KITES, authors=("Lind",)),
        Reference(paper_id="zed2004"),
        Reference(title="Nothing like that"),
        Reference(problem="it is broken", text="@misc{"),
        Reference(doi="10.1000/OWN"),
    ]
    found = await find(*references)
    assert [(each.paper.id if each.paper else None, each.how, each.confidence) for each in found] == [
        ("2001.10001", "arxiv_id", 1.0),
        ("2001.10001", "doi", 1.0),
        ("2001.10001", "title", 0.99),
        ("zed2004", "id", 1.0),
        (None, None, None),
        (None, None, None),
        ("10.1000/own", "doi", 1.0),
    ]
    assert (found[0].line, found[0].key, found[0].reference) == (7, "a", "A")
    assert (found[5].problem, found[5].candidates) == ("it is broken", [])


async def test_an_uncertain_reference_has_candidates(find: Any) -> None:
    title = "A tale of two kites in the wind"
    other, nearest, alone, of_another = await find(
        Reference(title=title, authors=("Zed",)),
        Reference(title=title, authors=("Zed",), year=2004),
        Reference(title="Narrow kites of the South", authors=("Other",)),
        Reference(title=KITES, authors=("Lind",), doi="10.1000/other"),
    )
    assert other.paper is None
    assert [each.id for each in other.candidates] == ["zed2001", "zed2004"]
    assert nearest.paper.id == "zed2004"
    assert (alone.paper, alone.candidates[0].id) == (None, "hep-th/9901001")
    assert (of_another.paper, of_another.candidates[0].id) == (None, "2001.10001")


async def test_a_reference_with_an_unknown_arxiv_id_is_no_other_paper_of_arxiv(find: Any) -> None:
    (found,) = await find(Reference(title=KITES, authors=("Lind",), arxiv_id="2001.99999"))
    assert found.paper is None


def test_texts_of_every_kind_are_read() -> None:
    form, references = read_references("@misc{a, title={Kites}, eprint={2001.10001}}\n@misc{b, title={no end", 9)
    one, broken = references
    assert (form, one.title, one.arxiv_id, one.line, one.key) == ("bibtex", "Kites", "2001.10001", 1, "a")
    assert (broken.line, broken.key, broken.problem) == (2, "b", "Unexpectedly reached end of file.")
    form, references = read_references(
        "arXiv:2001.10001v2\n\n 2. https://doi.org/10.1000/ABC\n[3] Wide kites.\nzed2001\n- hep-th/9901001\n!!\n"
        "Lind, A., Kites of the North, J. Kites 3 (2001), doi:10.1000/x.",
        9,
    )
    assert form == "lines"
    assert [(each.line, each.arxiv_id or each.doi or each.title) for each in references] == [
        (1, "2001.10001"),
        (3, "10.1000/ABC"),
        (4, "Wide kites"),
        (5, "zed2001"),
        (6, "hep-th/9901001"),
        (8, "10.1000/x"),
    ]
    assert read_references("TY  - JOUR\nTI  - T\nER  -\n", 9)[0] == "ris"
    assert read_references('[{"type": "book", "title": "T"}]', 9)[0] == "csl-json"
    with pytest.raises(TooManyReferences):
        read_references("@misc{" * 50, 9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no reference"),
        ("!!!\n", "has no reference"),
        ("T\n" * 2001, "more than 2000 references"),
        ("@a{b,c=d}" * 9000, "more than 2000 references"),
        ('[{"type": "book", "title": "T"}, {', "not one JSON array"),
    ],
)
def test_texts_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        _read(ResolveRequest(text=text))


def test_a_request_has_either_a_text_or_references() -> None:
    from retrieval_service.routes.resolve import _RESOLVE

    for body in (
        {},
        {"text": "x", "references": [{"title": "T"}]},
        {"text": "x" * 1_000_001},
        {"references": [{"y": 1}]},
    ):
        with pytest.raises(InvalidParameter):
            _RESOLVE.validate(body)
    wanted = _RESOLVE.validate(
        {
            "references": [
                {"title": " A\u0000 title", "authors": ["Reyes, C."], "doi": "doi:10.1/x", "arxiv_id": "x"},
                {},
            ]
        }
    )
    one, empty = _read(wanted)[1]
    assert (one.title, one.authors, one.doi, one.arxiv_id) == ("A title", ("Reyes",), "10.1/x", None)
    assert empty.problem == "it has no title, no DOI, no arXiv id and no id"
