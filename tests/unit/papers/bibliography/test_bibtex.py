import pytest

from akin.papers import Author
from akin.papers.authors import MORE_AUTHORS
from akin.papers.bibliography import BrokenEntry, Entry
from akin.papers.bibliography.bibtex import bibtex_entries, bibtex_names
from akin.papers.publication import Publication


def entries(text: str) -> list[Entry]:
    found = list(bibtex_entries(text))
    assert all(isinstance(each, Entry) for each in found), found
    return found  # type: ignore[return-value]


def entry(text: str) -> Entry:
    (found,) = entries(text)
    return found


def test_an_entry_is_read_whole():
    found = entry(
        r"""
@string{jot = "J. of Things"}
@Article{Reyes2020,
  title = {{A {B}ig study of \"{o} things and {DNA} {(CLEF}) with $\alpha_{i}$ \& more}},
  author = {Reyes, Calvin and Lind, Ann},
  journal = jot # { } # "B", year = 2020, month = "5~" # mar,
  volume = 3, number = {4}, pages = {12--34}, publisher = {Press},
  doi = {https://doi.org/10.1000/ABC\_1},
  url = {\url{http://example.org/a\_b}},
  file = {Full Text PDF:/home/me/Zotero/a.pdf:application/pdf;b:c:d},
  keywords = {Machine learning; DNA, Kites},
  abstract = {It costs \$5 {\&} 50{\%}.{\textless}p{\textgreater}A second part.},
}"""
    )
    assert found == Entry(
        line=3,
        title="A Big study of ö things and DNA (CLEF) with $\\alpha_{i}$ & more",
        abstract="It costs $5 & 50%.\nA second part.",
        authors=(Author("Reyes", "Calvin"), Author("Lind", "Ann")),
        doi="10.1000/ABC_1",
        keywords=("Machine learning", "DNA", "Kites"),
        publication=Publication(
            kind="article",
            key="Reyes2020",
            venue="J. of Things B",
            volume="3",
            number="4",
            pages="12-34",
            publisher="Press",
            url="http://example.org/a_b",
            date=(2020, 3, 5),
        ),
    )
    assert found.publication.reference == "J. of Things B 3 (4), 12-34 (2020)"


@pytest.mark.parametrize(
    ("field", "authors"),
    [
        ("Jane van der Berg", [Author("van der Berg", "Jane")]),
        ("van der Berg, Jane and others", [Author("van der Berg", "Jane"), MORE_AUTHORS]),
        ("others and Jane Berg", [Author("Berg", "Jane")]),
        ("others", []),
        ("King, Jr., Martin Luther", [Author("King", "Martin Luther", "Jr.")]),
        ("{World {H}ealth Organization} and {OpenAI}", [
            Author("World Health Organization", collaboration=True), Author("OpenAI", collaboration=True)]),
        ("Maria {De La Cruz} AND {Barnes and Noble}, Ann", [
            Author("De La Cruz", "Maria"), Author("Barnes and Noble", "Ann")]),
        (r"M{\"u}ller, Hans and Erd{\H o}s, P\'al", [Author("Müller", "Hans"), Author("Erdős", "Pál")]),
        ("Smith, J., Jones, K.L., Brown, M.", [Author("Smith", "J."), Author("Jones", "K. L."), Author("Brown", "M.")]),
        ("Reyes, Calvin; Lind, Ann", [Author("Reyes", "Calvin"), Author("Lind", "Ann")]),
        ("The KAPPA Collaboration", [Author("The KAPPA Collaboration", collaboration=True)]),
        (" and , and {}", []),
    ],
)  # fmt: skip
def test_names_in_all_forms(field, authors):
    assert list(bibtex_names(field)) == authors


@pytest.mark.parametrize(
    ("fields", "arxiv_id", "doi"),
    [
        ("eprint={2401.09032v2}, archivePrefix={arXiv}", "2401.09032", None),
        ("eprint={hep-th/9901001}, eprinttype={arxiv}", "hep-th/9901001", None),
        ("eprint={2401.09032}, archivePrefix={hal}", None, None),
        ("url={https://arxiv.org/abs/2401.09032}, doi={10.1000/x}", "2401.09032", "10.1000/x"),
        ("doi={10.48550/arXiv.2401.09032}", "2401.09032", None),
        ("journal={CoRR}, volume={abs/2401.09032}", "2401.09032", None),
        ("journal={arXiv preprint arXiv:2401.09032}", "2401.09032", None),
        ("url={https://doi.org/10.1000/x}", None, "10.1000/x"),
        ("note={It follows arXiv:2401.09032 closely}", None, None),
    ],
)
def test_ids_wherever_entries_state_them(fields, arxiv_id, doi):
    found = entry(f"@article{{k, title={{T}}, {fields}}}")
    assert (found.arxiv_id, found.doi) == (arxiv_id, doi)
    assert "arxiv" not in found.publication.venue.lower()
    assert found.publication.venue != "CoRR"


def test_an_entry_inherits_what_it_lacks():
    child, parent, late = entries(
        "@inproceedings{c, crossref=P, title={Child}, author={A B}}\n"
        "@proceedings{p, title={Meeting}, year=2019, editor={E D}, publisher={Press}, doi={10.1000/of-all}}\n"
        "@inproceedings{d, crossref={missing}, title={Child}}"
    )
    assert (child.title, child.publication.venue, child.publication.date) == ("Child", "Meeting", (2019,))
    assert (child.doi, child.publication.publisher) == (None, "Press")
    assert (parent.authors, parent.publication.edited) == ((Author("D", "E"),), True)
    assert late.publication.venue == ""
    (circle,) = [each for each in entries("@misc{a, crossref=b, title={A}}@misc{b, crossref=a}") if each.title]
    assert circle.title == "A"


def test_broken_entries_are_told_by_line_and_the_others_are_kept():
    found = list(
        bibtex_entries(
            "Automatically generated by Mendeley\n"
            "@comment{jabref-meta: a@b;}\n"
            "@article{a, title={no end, year=2000}\n"
            "@article{b, title={No comma} year=2001 note={N}}\n"
            "@book(c, title={In (round) brackets}, year=2002)\n"
            "@article{f title={no comma behind the key}}\n"
            "@article\n"
            "{g, title={A late brace}}\n"
            "@article{h, title={Twice}, title={Second}}\n"
            "@article{, title={No key}}\n"
            "@article{b, title={The same key}}\n"
            "@article{i, title={C:\\\\}, year=2003}\n"
            "@article{l, title={no end"
        )
    )
    kept = {each.publication.key or each.title: (each.line, each.title) for each in found if isinstance(each, Entry)}
    assert kept == {
        "b": (11, "The same key"),
        "c": (5, "In (round) brackets"),
        "g": (7, "A late brace"),
        "h": (9, "Twice"),
        "No key": (10, "No key"),
        "i": (12, kept["i"][1]),
    }
    assert [(each.line, each.key) for each in found if isinstance(each, BrokenEntry)] == [
        (3, "a"),
        (6, None),
        (13, "l"),
    ]
    missing = next(each for each in found if isinstance(each, Entry) and each.line == 4)
    assert (missing.title, missing.year) == ("No comma", 2001)


@pytest.mark.parametrize(
    ("fields", "date"),
    [
        ("year=2020, month=jan", (2020, 1)),
        ("year={2020}, month={January}", (2020, 1)),
        ("year={2020}, month={12}, day={3}", (2020, 12, 3)),
        ("date={2020-05-17}", (2020, 5, 17)),
        ("date={2020-05/2020-06}", (2020, 5)),
        ("year={c. 1843 (reprint)}", (1843,)),
        ("year={in press}", ()),
        ("year={2020}, month={99}", (2020,)),
        ("year={5 May 2020}", (2020, 5, 5)),
    ],
)
def test_days_as_far_as_they_are_known(fields, date):
    assert entry(f"@misc{{k, title={{T}}, {fields}}}").publication.date == date


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("INPROCEEDINGS", "", "inproceedings"),
        ("conference", "", "inproceedings"),
        ("thesis", "type={Master's thesis}", "mastersthesis"),
        ("thesis", "type={phdthesis}", "phdthesis"),
        ("report", "", "techreport"),
        ("online", "", "misc"),
        ("nonsense", "", "misc"),
    ],
)
def test_types_are_those_of_the_standard_styles(kind, fields, expected):
    assert entry(f"@{kind}{{k, title={{T}}, {fields}}}").publication.kind == expected


def test_only_addresses_of_the_web_are_kept():
    for bad in ("javascript:alert(1)", "file:///etc/passwd", "https:", "data:text/html,x"):
        assert entry(f"@misc{{k, title={{T}}, url={{{bad}}}}}").publication.url == ""


def test_an_entry_of_ads_names_its_journal_and_has_its_tildes():
    found = entry(
        r"""@ARTICLE{2019ApJ...882L..12P,
       author = {{Planck Collaboration} and {Abbott}, B.~P.},
        title = "{\raisebox{-0.5ex}\textasciitilde5$\sigma$ near x\textasciitilde{}1 in Fig.~2}",
      journal = {\apjl}, year = 2019, month = sep, volume = {882}, eid = {L12}, publisher = {arXiv},
       eprint = {1907.11234}, archivePrefix = {arXiv}}"""
    )
    assert found.title == r"~5$\sigma$ near x~1 in Fig. 2"
    assert found.authors[1] == Author("Abbott", "B. P.")
    assert found.publication.reference == "Astrophysical Journal Letters 882, L12 (2019)"
    assert found.publication.publisher == ""
    assert entry(r"@article{a, title={T}, journal={\unknown}}").publication.venue == r"\unknown"


def test_the_number_of_a_journal_that_is_only_an_id_is_dropped():
    found = entry("@article{he, title={T}, journal={arXiv preprint arXiv:1512.03385}, volume={7}, number={8}}")
    assert (found.arxiv_id, found.publication.volume, found.publication.number) == ("1512.03385", "", "")
    assert entry("@techreport{r, title={T}, number={TR-7}}").publication.number == "TR-7"
