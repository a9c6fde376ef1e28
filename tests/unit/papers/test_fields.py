from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akin.papers.readers.fields import arxiv_codes, categories, parse_day
from akin.papers.readers.seen_ids import SeenIds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-03-18", date(2025, 3, 18)),
        ("2025-03-18T15:01:31Z", date(2025, 3, 18)),
        ("Mon, 2 Apr 2007 19:18:42 GMT", date(2007, 4, 2)),
        ("Mon, 2 Apr 2007 ", date(2007, 4, 2)),
        ("12 Dec 1999", date(1999, 12, 12)),
        ("2020", date(2020, 1, 1)),
        ("2020-05", date(2020, 5, 1)),
        ("2020/5/7", date(2020, 5, 7)),
        ("2020-02-30", None),
        ("0000", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_day(text, expected):
    assert parse_day(text) == expected


@given(st.text())
def test_a_day_has_the_digits_of_its_text(text):
    day = parse_day(text)
    assert day is None or str(day.year) in text


def test_arxiv_codes_leave_other_classes_out():
    assert arxiv_codes("cs.CL I.2.7; 68T50, (Primary) spatial cs.CL hep-th new.XY") == ("cs.CL", "hep-th", "new.XY")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cs.LG stat.ML", ("cs.LG", "stat.ML")),
        ("Computer Science; Biology", ("Computer Science", "Biology")),
        ("Computer Science", ("Computer Science",)),
        ("a|b|a", ("a", "b")),
        ("", ()),
    ],
)
def test_categories_of_any_collection(text, expected):
    assert categories(text) == expected


@given(st.lists(st.text(max_size=3)))
def test_seen_ids_are_a_set(texts):
    seen, reference = SeenIds(), set()
    for text in texts:
        assert seen.add(text) == (text not in reference)
        reference.add(text)
    assert len(seen) == len(reference)


def test_seen_ids_outgrow_their_table():
    seen = SeenIds()
    assert all(seen.add(str(number)) for number in range(20_000))
    assert not any(seen.add(str(number)) for number in range(20_000))


@pytest.mark.parametrize(
    "text",
    [
        "cs.LG stat.ML",
        "cs.LG, stat.ML",
        "cs.LG,stat.ML",
        "cs.LG; stat.ML",
        "cs.LG|stat.ML",
        "CS.lg stat.ml",
        "['cs.LG','stat.ML']",
        '["cs.LG", "stat.ML"]',
        "cs.LG\tSTAT.ML cs.lg",
    ],
)
def test_arxiv_categories_are_read_in_every_spelling_and_with_every_separator(text):
    assert arxiv_codes(text) == categories(text) == ("cs.LG", "stat.ML")


def test_other_collections_keep_the_spelling_of_their_categories():
    assert categories("Graph Theory; HEP-TH; [old] maps") == ("Graph Theory", "hep-th", "[old] maps")
