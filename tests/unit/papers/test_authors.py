from __future__ import annotations

import pytest

from papers import Author, parse_authors
from papers.authors import divided_authors


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A. One, B. Two", ("A. One", "B. Two")),
        ("Ileana Streinu and Louis Theran", ("Ileana Streinu", "Louis Theran")),
        ("A. One,\n  B. Two, and C. Three", ("A. One", "B. Two", "C. Three")),
        ("A. One (1), B. Two (2 and 3) ((1) Here, (2) There)", ("A. One", "B. Two")),
        ("A. One, Jr., B. Two", ("A. One Jr.", "B. Two")),
        ("Alexander Anderson; Bob Sand", ("Alexander Anderson", "Bob Sand")),
        ("", ()),
        (" , ,", ()),
    ],
)
def test_author_names(text, expected):
    assert tuple(author.name for author in parse_authors(text)) == expected


def test_parsed_names():
    assert divided_authors([["Balázs", "C.", ""], ["King", "M. L.", "Jr.", "Atlanta"], ["CERN"], []]) == (
        Author("Balázs", "C."),
        Author("King", "M. L.", "Jr."),
        Author("CERN"),
    )
