import pytest

from akin.papers import Paper, bare_doi, links
from akin.papers.readers.arxiv_snapshot import arxiv_paper

ELSEVIER, SICI = (
    "10.1016/S0550-3213(98)00123-4",
    "10.1002/(SICI)1097-0258(19980815/30)17:15/16<1661::AID-SIM968>3.0.CO;2-2",
)


@pytest.mark.parametrize(
    ("field", "doi"),
    [
        ("10.1103/PhysRevD.76.013009", "10.1103/PhysRevD.76.013009"),
        ("https://doi.org/10.5555/akin.2024.002", "10.5555/akin.2024.002"),
        ("http://dx.doi.org/10.1088/0953-8984/21/2/025", "10.1088/0953-8984/21/2/025"),
        ("https://www.doi.org/10.1088/1742-6596", "10.1088/1742-6596"),
        ("dx.doi.org/10.1000/182", "10.1000/182"),
        ("doi.org/10.1000/182.", "10.1000/182"),
        ("doi:10.1000/182", "10.1000/182"),
        ("DOI: 10.1000/182", "10.1000/182"),
        ("https://doi.org/doi:10.1000/182", "10.1000/182"),
        ("info:doi/10.1000/182", "10.1000/182"),
        ("urn:doi:10.1000/182", "10.1000/182"),
        ("10.1000.10/123456", "10.1000.10/123456"),
        (ELSEVIER, ELSEVIER),
        (f"({ELSEVIER})", ELSEVIER),
        (f"[doi:{ELSEVIER}],", ELSEVIER),
        ("https://doi.org/10.1016%2FS0550-3213%2898%2900123-4", ELSEVIER),
        ("10.1016%2FS0550-3213%2898%2900123-4", ELSEVIER),
        (SICI, SICI),
        (SICI.replace("<", "&lt;").replace(">", "&gt;"), SICI),
        (f"{SICI};10.1000/2", SICI),
        ("<10.1000/182>", "10.1000/182"),
        ("10.1000/1 10.1000/2", "10.1000/1"),
        ("10.1000/1,10.1000/2", "10.1000/1"),
        ("10.1000/1; 10.1000/2", "10.1000/1"),
        ("10.1000/1;https://doi.org/10.1000/2", "10.1000/1"),
        ("10.1000/1, erratum: 10.1000/2", "10.1000/1"),
        ("(proceedings) 10.1007/978-3-030-1\\_2", "10.1007/978-3-030-1_2"),
        ("10.1000/1\u200b", "10.1000/1"),
        ("https://doi.org/10.1000/182?nosfx=y#part", "10.1000/182"),
        ("https://link.springer.com/article/10.1007/s00220-020-03700-1", "10.1007/s00220-020-03700-1"),
        ("https://www.frontiersin.org/articles/10.3389/fnins.2020.00001/full", "10.3389/fnins.2020.00001"),
        ("https://doi.org/10.1000/the/full", "10.1000/the/full"),
        ("10.1000/50%25", "10.1000/50%25"),
        ("to appear", None),
        ("10.1103", None),
        ("10.1103/", None),
        ("10.1103/.", None),
        ("110.1103/2", None),
        ("Phys. Rev. 10.5/2 is no DOI's place: v10.1/x", "10.5/2"),
        ("", None),
        (None, None),
        ("10.1000/" + "x" * 5_000, None),
    ],
)
def test_the_first_doi_of_a_field_is_found(field: str | None, doi: str | None):
    assert bare_doi(field) == doi


def test_a_doi_with_an_address_links_once():
    assert (
        links(Paper("x", "T", "A", doi="https://dx.doi.org/10.1000/a<b>"))["doi"] == "https://doi.org/10.1000/a%3Cb%3E"
    )
    assert "doi" not in links(Paper("x", "T", "A", doi="to appear"))


def test_a_reader_keeps_the_bare_doi():
    line = (
        b'{"id": "2401.00001", "title": "T", "abstract": "A", "doi": "http://dx.doi.org/10.1000/a%28b%29, 10.1000/c"}'
    )
    paper = arxiv_paper(line)
    assert isinstance(paper, Paper)
    assert paper.doi == "10.1000/a(b)"
