import re
from datetime import date

import bibtexparser
import msgspec
import pytest

from akin.papers import Author, Paper
from akin.papers.citation import CitationFormat, write_citations

BIBTEX, RIS, CSL = CitationFormat.BIBTEX, CitationFormat.RIS, CitationFormat.CSL_JSON
PEOPLE = (
    Author("van der Berg", "Ida"),
    Author("Moss", "Ole", "III"),
    Author("The LANTERN Collaboration", collaboration=True),
)


def paper(title: str = "Quiet bells", authors: tuple[Author, ...] = PEOPLE[1:2], **more: object) -> Paper:
    fields: dict[str, object] = {"id": "2402.00001", "published": date(2024, 2, 3), "categories": ("cs.CL",), **more}
    return Paper(title=title, abstract="", authors=authors, **fields)  # type: ignore[arg-type]


def fields(paper: Paper) -> dict[str, str]:
    library = bibtexparser.parse_string(write_citations([paper], BIBTEX))
    assert not library.failed_blocks
    (entry,) = library.entries
    return {"type": entry.entry_type, "key": entry.key, **{each.key: each.value for each in entry.fields}}


def test_a_preprint():
    assert write_citations([paper(authors=PEOPLE)], BIBTEX) == (
        "@misc{vanderberg2024quiet,\n"
        "  title = {Quiet bells},\n"
        "  author = {van der Berg, Ida and Moss, III, Ole and {The LANTERN Collaboration}},\n"
        "  year = {2024},\n"
        "  eprint = {2402.00001},\n"
        "  archivePrefix = {arXiv},\n"
        "  primaryClass = {cs.CL},\n"
        "  url = {https://arxiv.org/abs/2402.00001},\n"
        "}\n"
    )


def test_a_published_paper_has_the_year_and_the_doi_of_the_journal():
    found = fields(
        paper(
            id="hep-th/9901001", published=date(1999, 1, 1), journal_ref="Imag. J. B12:1-9,2001", doi="doi:10.5555/x_y"
        )
    )
    expected = {
        "type": "article",
        "year": "2001",
        "journal": "Imag. J. B",
        "volume": "12",
        "pages": "1--9",
        "doi": "10.5555/x_y",
    }
    assert expected.items() <= found.items()
    assert found["eprint"] == "hep-th/9901001"
    assert found["key"] == "moss2001quiet"


@pytest.mark.parametrize("reference", ["To appear in Imag. J. (2025)", "Imag. J. 12", "J. Foo 12 & B_3"])
def test_an_uncertain_reference_is_a_note_of_the_preprint(reference: str):
    found = fields(paper(journal_ref=reference))
    assert (found["type"], found["year"]) == ("misc", "2024")
    assert found["note"] == reference.replace("&", r"\&").replace("_", r"\_")
    assert "journal" not in found


def test_a_reference_that_is_only_an_id_is_no_publication():
    found = fields(paper(journal_ref="doi:10.5555/imag.1"))
    assert (found["type"], found["doi"], "note" in found) == ("misc", "10.5555/imag.1", False)
    assert fields(paper(journal_ref="https://doi.org/10.5555/b", doi="10.5555/a"))["doi"] == "10.5555/a"
    found = fields(paper(journal_ref="arXiv:2402.00001 [cs.CL]"))
    assert (found["type"], "doi" in found, "note" in found) == ("misc", False, False)
    found = fields(paper(journal_ref="Imag. J. 12 (2025) 1-9; Erratum 13 (2026) 1, doi:10.5555/erratum"))
    assert (found["type"], "doi" in found) == ("article", False)


def test_the_series_of_proceedings_is_written():
    cited = paper(journal_ref="LIPIcs, Volume 251, ITCS 2023, pp. 1:1-1:20")
    found = fields(cited)
    assert {
        "type": "inproceedings",
        "booktitle": "ITCS 2023",
        "series": "LIPIcs",
        "volume": "251",
    }.items() <= found.items()
    assert found["pages"] == "1:1--1:20"
    assert "T3  - LIPIcs\r\nVL  - 251\r\n" in write_citations([cited], RIS)
    assert msgspec.json.decode(write_citations([cited], CSL))[0]["collection-title"] == "LIPIcs"


@pytest.mark.parametrize(
    ("title", "written"),
    [
        (
            r"Snake_case, x^2 & 100% of #1 ~ \$5",
            r"Snake\_case, x\textasciicircum{}2 \& 100\% of \#1 \textasciitilde{} \$5",
        ),
        ("Does BERT read arXiv on GPT-4?", "Does {BERT} read {arXiv} on {GPT}-4?"),
        ("A study of M2-branes, D-branes and McKay: A tale", "A study of {M2}-branes, {D}-branes and {McKay}: A tale"),
        ("U.S. and U.K. policy, e.g. on A.I", "{U.S.} and {U.K.} policy, e.g. on {A.I}"),
        (
            "At M.I.T.: Ph.D. theses by J. Doe et al. A review",
            "At {M.I.T.}: {Ph.D.} theses by {J}. Doe et al. A review",
        ),
        ("A.I. and end.To begin v1.A2", "{A.I.} and end.To begin v1.{A2}"),
        ("Bounds at $O(n_k)$ and $\\alpha$", "Bounds at {$O(n_k)$} and $\\alpha$"),
        ("Paid $5 to $10", r"Paid \$5 to \$10"),
        (r"L\'evy walks of {D}eep nets", "Lévy walks of Deep nets"),
        (r"Odd {brace and $x_{a$", r"Odd \textbraceleft{}brace and \$x\_\textbraceleft{}a\$"),
        (r"Sets $\{a$ and $b\}$", r"Sets $\lbrace a$ and $b\rbrace $"),
        ("Share $5%$", r"Share $5\%$"),
        ("Unknown \\foo at the end\\", r"Unknown \textbackslash{}foo at the end\textbackslash{}"),
        ("注意力", "注意力"),
    ],
)
def test_titles(title: str, written: str):
    assert f"  title = {{{written}}},\n" in write_citations([paper(title)], BIBTEX)


@pytest.mark.parametrize(
    "title",
    [
        '"quoted" @misc{x,',
        "{" * 20_000,
        "}{",
        "\\",
        "a\n\n@book{b,\n}",
        "\ud800 \x00",
        "$" * 19_999,
        "\\{",
        "$\\}$",
        "%",
        "a" * 20_000,
        "",
    ],
)
def test_hostile_titles_parse(title: str):
    found = fields(paper(title, authors=(Author(title, "X and Y, Z"), Author(title, collaboration=True))))
    assert found["eprint"] == "2402.00001"
    write_citations([paper(title)], BIBTEX).encode()
    msgspec.json.decode(write_citations([paper(title)], CSL))
    *lines, end = write_citations([paper(title)], RIS).split("\r\n")
    assert not end
    assert all(re.fullmatch("[A-Z][A-Z0-9]  - .*", line) for line in lines)


@pytest.mark.parametrize(
    ("author", "written"),
    [
        (Author("Ortega Fuentes", "Lucía"), "Ortega Fuentes, Lucía"),
        (Author("Plato"), "Plato"),
        (Author("Smith and Sons"), "{Smith and Sons}"),
        (Author("Bell and Bow", "Ann"), "{Bell and Bow}, Ann"),
        (Author("AT&T Labs", collaboration=True), r"{AT\&T Labs}"),
        (Author(r"\v{S}t\v{e}tina", "Ond\\v{r}ej"), "Štětina, Ondřej"),
    ],
)
def test_names(author: Author, written: str):
    assert f"  author = {{{written}}},\n" in write_citations([paper(authors=(author,))], BIBTEX)


def test_a_list_without_letters_is_no_author():
    assert "author = {Moss, III, Ole}" in write_citations([paper(authors=(Author(":"), PEOPLE[1]))], BIBTEX)


def test_keys_are_unique_and_do_not_depend_on_what_follows():
    works = [
        paper(),
        paper(id="2402.00002"),
        paper(id="2402.00003"),
        paper("The Ω of $x$", (Author("Øster-Łoś", "A"),)),
    ]
    library = bibtexparser.parse_string(write_citations(works, BIBTEX))
    assert [entry.key for entry in library.entries] == [
        "moss2024quiet",
        "moss2024quieta",
        "moss2024quietb",
        "osterlos2024x",
    ]
    assert fields(paper(authors=PEOPLE[2:]))["key"] == "lantern2024quiet"
    assert fields(paper("题", (), published=None, id="x/1"))["key"] == "paperx1"


def test_ris():
    text = write_citations([paper(authors=PEOPLE, journal_ref="Imag. J. 12 (2025) 1-9", doi="10.5555/x"), paper()], RIS)
    assert text.split("\r\n") == [
        *(
            "TY  - JOUR",
            "ID  - vanderberg2025quiet",
            "TI  - Quiet bells",
            "AU  - van der Berg, Ida",
            "AU  - Moss, Ole, III",
        ),
        *("AU  - The LANTERN Collaboration", "PY  - 2025", "T2  - Imag. J.", "VL  - 12", "SP  - 1", "EP  - 9"),
        *("DO  - 10.5555/x", "AN  - arXiv:2402.00001", "UR  - https://arxiv.org/abs/2402.00001", "ER  - ", ""),
        *(
            "TY  - UNPB",
            "ID  - moss2024quiet",
            "TI  - Quiet bells",
            "AU  - Moss, Ole, III",
            "PY  - 2024",
            "DA  - 2024/02/03",
        ),
        *("PB  - arXiv", "AN  - arXiv:2402.00001", "UR  - https://arxiv.org/abs/2402.00001", "ER  - ", ""),
    ]


def test_csl_json():
    preprint, article = msgspec.json.decode(
        write_citations([paper(authors=PEOPLE), paper(journal_ref="Imag. J. 12 (2025) 1-9", doi="10.5555/x")], CSL)
    )
    assert preprint == {
        "id": "vanderberg2024quiet",
        "type": "article",
        "title": "Quiet bells",
        "author": [
            {"family": "Berg", "given": "Ida", "non-dropping-particle": "van der"},
            {"family": "Moss", "given": "Ole", "suffix": "III"},
            {"literal": "The LANTERN Collaboration"},
        ],
        "issued": {"date-parts": [[2024, 2, 3]]},
        "URL": "https://arxiv.org/abs/2402.00001",
        "publisher": "arXiv",
        "number": "arXiv:2402.00001",
    }
    published = {
        "type": "article-journal",
        "container-title": "Imag. J.",
        "volume": "12",
        "page": "1-9",
        "DOI": "10.5555/x",
    }
    assert published.items() <= article.items()
    assert article["issued"] == {"date-parts": [[2025]]}


def test_a_withdrawn_paper_says_so():
    assert fields(paper(withdrawn=True))["note"] == "Withdrawn"
