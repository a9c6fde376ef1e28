from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akin.papers import Paper, links, parse_arxiv_id

ACCEPTED = [
    ("2503.12552", "2503.12552", None),
    ("0704.0001", "0704.0001", None),
    ("1412.9999", "1412.9999", None),
    ("1501.00001", "1501.00001", None),
    ("2503.12552v3", "2503.12552", 3),
    ("arXiv:2503.12552v3", "2503.12552", 3),
    ("arxiv:2503.12552", "2503.12552", None),
    ("ARXIV: 2503.12552", "2503.12552", None),
    ("arXiv 2503.12552", "2503.12552", None),
    ("oai:arXiv.org:0704.0001", "0704.0001", None),
    ("  2503.12552\n", "2503.12552", None),
    ("2503.12552.", "2503.12552", None),
    ("(arXiv:2503.12552),", "2503.12552", None),
    ("[2503.12552]", "2503.12552", None),
    ("<https://arxiv.org/abs/2503.12552>", "2503.12552", None),
    ('"2503.12552"', "2503.12552", None),
    ("arXiv:2503.12552v3 [cs.LG]", "2503.12552", 3),
    ("arXiv:2503.12552v3 [cs.LG] 16 Mar 2025", "2503.12552", 3),
    ("arXiv:hep-th/9901001v2 [hep-th] 1 Jan 1999", "hep-th/9901001", 2),
    ("hep-th/9901001", "hep-th/9901001", None),
    ("HEP-TH/9901001", "hep-th/9901001", None),
    ("hep-th/9901001v12", "hep-th/9901001", 12),
    ("math.GT/0309136", "math/0309136", None),
    ("cond-mat.str-el/0703001", "cond-mat/0703001", None),
    ("arXiv:cs.AI/0012007", "cs/0012007", None),
    ("https://arxiv.org/abs/2503.12552", "2503.12552", None),
    ("http://arxiv.org/abs/2503.12552v1", "2503.12552", 1),
    ("arxiv.org/abs/2503.12552", "2503.12552", None),
    ("www.arxiv.org/pdf/2503.12552", "2503.12552", None),
    ("https://export.arxiv.org/abs/math.GT/0309136", "math/0309136", None),
    ("https://arxiv.org/pdf/2503.12552v2.pdf", "2503.12552", 2),
    ("https://arxiv.org/pdf/hep-th/9901001v1.pdf", "hep-th/9901001", 1),
    ("https://arxiv.org/pdf/2503.12552#page=4", "2503.12552", None),
    ("https://arxiv.org/html/2503.12552v1#S3.F2", "2503.12552", 1),
    ("https://arxiv.org/abs/2503.12552?context=cs.LG", "2503.12552", None),
    ("https://arxiv.org/abs/2503.12552/", "2503.12552", None),
    ("https://ar5iv.labs.arxiv.org/html/2503.12552", "2503.12552", None),
    ("https://ar5iv.org/abs/1910.06709", "1910.06709", None),
    ("https://www.alphaxiv.org/abs/2503.12552", "2503.12552", None),
    ("https://alphaxiv.org/overview/2503.12552v1", "2503.12552", 1),
    ("https://huggingface.co/papers/2503.12552", "2503.12552", None),
    ("10.48550/arXiv.2503.12552", "2503.12552", None),
    ("doi:10.48550/arXiv.2503.12552", "2503.12552", None),
    ("https://doi.org/10.48550/arXiv.hep-th/9901001", "hep-th/9901001", None),
    ("https://doi.org/10.48550%2FarXiv.2503.12552", "2503.12552", None),
]

# Each of these is 2401.09032 or, in the second list, hep-th/9901997.
PASTED = [
    "arXiv preprint arXiv:2401.09032",
    "arXiv e-prints, arXiv:2401.09032 (2024)",
    "arXiv.2401.09032",
    "arXiv ID: 2401.09032",
    "arXiv:2401.09032v1 [cs.LG] 5 Jan 2024",
    "arXiv:2401.09032 [hep-th, math.MP]",
    "[2401.09032 [hep-th]]",
    "arXiv:2401.09032 [v2]",
    "2401.09032 (version 2)",
    "Cite as: arXiv:2401.09032 [hep-th]\n(or arXiv:2401.09032v1 [hep-th] for this version)",
    "CoRR abs/2401.09032",
    "DBLP:journals/corr/abs-2401-09032",
    "https://dblp.org/rec/journals/corr/abs-2401-09032.html",
    "abs/2401.09032",
    "2401_09032",
    "2401.09032\u200b",
    "\u202a2401.09032\u202c",
    "\ufeff2401.09032",
    "２４０１．０９０３２",
    "arXiv：2401.09032",
    "📄 2401.09032",
    "**2401.09032**",
    "- arXiv:2401.09032",
    "> https://arxiv.org/abs/2401.09032",
    "2401.09032v2.pdf",
    "2401.09032v2 (1).pdf",
    "arxiv-2401.09032.pdf",
    "2401.09032v2.Instantons_on_a_lattice.pdf",
    "Rand - 2024 - Instantons on a lattice_2401.09032.pdf",
    r"C:\Users\me\Downloads\2401.09032v1 (2).pdf",
    "file:///home/me/papers/2401.09032.pdf",
    "10.48550_arXiv.2401.09032.pdf",
    "https://arxiv.org/abs/arXiv:2401.09032",
    "https://arxiv.org/pdf/2401.09032v2.pdf?download=1#page=3",
    "https://arxiv.org/format/2401.09032",
    "https://cn.arxiv.org/e-print/2401.09032",
    "https://arxiv.org/bibtex/2401.09032",
    "https://export.arxiv.org/api/query?id_list=2401.09032",
    "http://web.archive.org/web/20240201000000/https://arxiv.org/abs/2401.09032v1",
    "https://www.google.com/url?q=https%3A%2F%2Farxiv.org%2Fabs%2F2401.09032&sa=D&ust=1",
    "https://l.example.com/?u=https%253A%252F%252Farxiv.org%252Fabs%252F2401.09032",
    "https://arxiv-org.proxy.example.edu/abs/2401.09032",
    "https://scirate.com/arxiv/2401.09032",
    "https://www.semanticscholar.org/arxiv/2401.09032",
    "https://api.semanticscholar.org/graph/v1/paper/ARXIV:2401.09032",
    "https://inspirehep.net/arxiv/2401.09032",
    "https://inspirehep.net/literature?q=arxiv%3A2401.09032",
    "https://ui.adsabs.harvard.edu/abs/arXiv:2401.09032/abstract",
    "https://ui.adsabs.harvard.edu/abs/2024arXiv240109032R/abstract",
    "2024arXiv240109032R",
    "https://arxiv-sanity-lite.com/?rank=pid&pid=2401.09032",
    "https://www.connectedpapers.com/api/redirect/arxiv/2401.09032",
    "https://www.catalyzex.com/paper/arxiv:2401.09032",
    "https://scholar.archive.org/search?q=2401.09032",
    "https://example.org/reader/2401.09032v3/view?utm_source=mail",
    "https://sci-hub.example/10.48550/arXiv.2401.09032",
    "DOI: https://doi.org/10.48550/ARXIV.2401.09032",
    "[Instantons](https://arxiv.org/abs/2401.09032)",
    "[arXiv:2401.09032](https://example.org/a)",
    "[1]: https://arxiv.org/abs/2401.09032",
    "[[https://arxiv.org/abs/2401.09032][Instantons]]",
    "[https://arxiv.org/abs/2401.09032 Instantons]",
    "{{arxiv|2401.09032}}",
    r"\href{https://arxiv.org/abs/2401.09032}{arXiv:2401.09032}",
    r"note = {\url{https://arxiv.org/abs/2401.09032}},",
    "eprint = {2401.09032},",
    "eprint:2401.09032",
    "journal={arXiv preprint arXiv:2401.09032},",
    'doi = "10.48550/arXiv.2401.09032"',
    "UR  - https://arxiv.org/abs/2401.09032",
    '"arxiv_id": "2401.09032",',
    '<a class="x" href="https://arxiv.org/abs/2401.09032">a paper</a>',
    "@misc{rand2024, title={Instantons}, eprint={2401.09032}, url={https://arxiv.org/abs/2401.09032}}",
    "[2401.09032] Instantons on a lattice of springs",
    "oai:arXiv.org:2401.09032",
    "https://arxiv.org/abs/2401.09032&amp;x=1",
]
PASTED_OLD = [
    "hep-th9901997",
    "hep‐th/9901997",
    "hep–th/9901997",
    "hep-th/9901997v2.pdf",
    "hep-th_9901997v1.pdf",
    "hep-th9901997.ps.gz",
    "http://xxx.lanl.gov/abs/hep-th/9901997",
    "https://arxiv.org/ftp/hep-th/papers/9901/9901997.pdf",
    "https://arxiv.org/abs/hep-th%2F9901997",
    "https://doi.org/10.48550/arXiv.hep-th/9901997",
    "https://ui.adsabs.harvard.edu/abs/1999hep.th....1997R/abstract",
    "arXiv:hep-th/9901997v1 22 Jan 1999",
    "https://inspirehep.net/api/arxiv/hep-th/9901997",
    "arXiv:hep-th/9901997 (January 1999)",
]

REFUSED = [
    "",
    "   ",
    "graph neural networks",
    "see 2503.12552",
    "2503.12552 is a nice paper",
    "2503.12552 2503.12553",
    "what follows from https://arxiv.org/abs/2503.12552",
    "2503.1255",  # five digits since 2015
    "1412.00001",  # four before
    "2503.125521",
    "2503.00000",
    "2513.12552",  # no month 13
    "2500.12552",
    "0703.0001",  # the new scheme began in April 2007
    "9999.99999",
    "3.14159",
    "hep-th/9913001",
    "hep-th/0704001",  # and the old one ended
    "hep-th/9901000",
    "hep-th/990100",
    "stat/0601001",  # archives of after the old scheme
    "nonsense/9901001",
    "2503.12552v0",
    "2503.12552v",
    "https://arxiv.org/list/cs.LG/2503",
    "https://doi.org/10.1103/2503.12552",
    "https://example.org/prices?a=2503.12552&b=2503.12553",
    "https://arxiv.org/abs/2503.12552 https://arxiv.org/abs/2503.12553",
    "https://example.org/2503.12552x/1",
    "I read 2503.12552.pdf",
    "see https://arxiv.org/abs/2503.12552 for a proof",
    "9901001.pdf",
    "from 2503.12552 to 2504.00001",
    "2503.12552, 2503.12553",
    "arXiv:2503.12552 and others",
    "2503.12552 proof",
    "id:2503.12552",  # an operator of the query box
    "2019-2020 report.pdf",
    "10.1000/arXiv.2503.12552",
    "arXiv:",
    "(" * 300,
    "https://arxiv.org/abs/2503.12552?" + "x" * 1000,
]


@pytest.mark.parametrize(("text", "expected", "version"), ACCEPTED)
def test_all_pasted_forms_are_accepted(text, expected, version):
    found = parse_arxiv_id(text)
    assert found is not None
    assert (found.id, found.version) == (expected, version)


@pytest.mark.parametrize("text", PASTED)
def test_what_people_leave_around_an_id_is_ignored(text):
    found = parse_arxiv_id(text)
    assert found is not None
    assert found.id == "2401.09032"


@pytest.mark.parametrize("text", PASTED_OLD)
def test_what_people_leave_around_an_old_id_is_ignored(text):
    found = parse_arxiv_id(text)
    assert found is not None
    assert found.id == "hep-th/9901997"


@pytest.mark.parametrize("text", REFUSED)
def test_other_texts_are_not_ids(text):
    assert parse_arxiv_id(text) is None


@given(st.text())
def test_any_text_is_accepted_or_rejected_without_an_error(text):
    found = parse_arxiv_id(text)
    if found is not None:
        assert parse_arxiv_id(str(found)) == found


@given(
    st.integers(7, 30),
    st.integers(1, 12),
    st.integers(1, 9999),
    st.none() | st.integers(1, 99),
    st.sampled_from(["{}", "arXiv:{}", "https://arxiv.org/pdf/{}.pdf", "10.48550/arXiv.{}", " ({})."]),
)
def test_surrounding_text_is_ignored(year, month, number, version, form):
    digits = 5 if year >= 15 else 4
    canonical = f"{year:02}{month:02}.{number:0{digits}}"
    found = parse_arxiv_id(form.format(canonical + (f"v{version}" if version else "")))
    if (year, month) < (7, 4):
        assert found is None
    else:
        assert found is not None
        assert (found.id, found.version) == (canonical, version)


def test_links_of_a_new_paper():
    paper = Paper("2503.12552", "T", "A", doi="10.1/x<y> 10.2/z", published=date(2025, 3, 16))
    assert links(paper) == {
        "abs": "https://arxiv.org/abs/2503.12552",
        "pdf": "https://arxiv.org/pdf/2503.12552",
        "html": "https://arxiv.org/html/2503.12552",
        "doi": "https://doi.org/10.1/x%3Cy%3E",
    }


def test_links_of_an_old_paper_have_no_html():
    assert set(links(Paper("hep-th/9901001", "T", "A"))) == {"abs", "pdf"}
    assert set(links(Paper("2311.00001", "T", "A"))) == {"abs", "pdf"}


def test_a_paper_without_arxiv_id_and_doi_has_no_links():
    paper = Paper("471", "T", "A")
    assert paper.arxiv_id is None
    assert links(paper) == {}
