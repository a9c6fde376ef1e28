from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papers import Paper, links, parse_arxiv_id

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
    "https://example.org/abs/2503.12552",
    "https://notarxiv.org/abs/2503.12552",
    "https://arxiv.org.example.org/abs/2503.12552",
    "10.1000/arXiv.2503.12552",
    "２５０３.１２５５２",  # full-width digits
    "arXiv:",
    "(" * 300,
    "https://arxiv.org/abs/2503.12552?" + "x" * 1000,
]


@pytest.mark.parametrize(("text", "expected", "version"), ACCEPTED)
def test_all_pasted_forms_are_accepted(text, expected, version):
    found = parse_arxiv_id(text)
    assert found is not None
    assert (found.id, found.version) == (expected, version)


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
