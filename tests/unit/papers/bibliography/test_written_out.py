"""References that are written out, as in the list at the end of a paper."""

from __future__ import annotations

import pytest

from akin.papers.bibliography.references import Reference, read_references
from akin.papers.bibliography.written_out import arxiv_id_in, ids_in, references_in, title_in

TITLE = "Weisfeiler and Leman Go Neural: Higher-order Graph Neural Networks"


def read(text: str) -> list[Reference]:
    form, references = read_references(text, 100)
    assert form == "lines"
    return list(references)


@pytest.mark.parametrize(
    "reference",
    [
        f"C. Morris, M. Ritzert, and M. Fey. {TITLE}. In AAAI, 2019.",
        f"Christopher Morris, Martin Ritzert. {TITLE}. AAAI 2019.",
        f"Morris, C., Ritzert, M. and van der Berg, R. (2019). {TITLE}. AAAI, 33(1), 4602-4609.",
        f"Morris et al., “{TITLE},” in Proc. AAAI, vol. 33, 2019.",
        f'C. Morris et al., "{TITLE}", 2019',
        f"Morris C, Ritzert M, et al. {TITLE}. 2019;33:4602.",
        f"K. Xu, W. Hu, and Y. Wu. {TITLE}. In ICLR, 2019.",
    ],
)
def test_the_title_of_a_reference_is_found(reference: str) -> None:
    assert title_in(reference) == TITLE


@pytest.mark.parametrize(
    "title",
    [
        TITLE,
        "Attention. Is it all you need? A study",
        "Graphs, Trees, and Forests. A survey",
        "Forecasts for 2020. What we learned",
        "A look at 2001: A Space Odyssey. On film",
        "“Why should I trust you?” Explaining classifiers",
        "2019",
        "",
    ],
)
def test_a_title_alone_stays_whole(title: str) -> None:
    assert title_in(title) == title


def test_an_arxiv_id_among_the_words_is_that_of_the_reference() -> None:
    assert arxiv_id_in("J. Gauss. On numbers. arXiv:1909.03211v2 [cs.LG], 2019.") == "1909.03211"
    assert arxiv_id_in("J. Gauss, arXiv preprint arXiv: 1909.03211, 2019") == "1909.03211"
    assert arxiv_id_in("see https://arxiv.org/abs/hep-th/9901001.") == "hep-th/9901001"
    assert arxiv_id_in("arXiv:1909.03211 and arXiv:1909.03212") is None
    assert arxiv_id_in("pages 1909.03211") is None
    (found,) = read("[3] J. Gauss. On numbers. arXiv:1909.03211, 2019.")
    assert (found.arxiv_id, found.title) == ("1909.03211", "On numbers")


def test_ids_on_one_line_are_references_each() -> None:
    assert ids_in("2503.12213, arXiv:1909.03211v2; hep-th/9901001") == ("2503.12213", "1909.03211", "hep-th/9901001")
    assert ids_in("2503.12213 is a paper") == ids_in("2503.12213") == ids_in("") == ()
    assert [each.arxiv_id for each in read("2503.12213, 1909.03211\n\n1910.01736")] == [
        "2503.12213",
        "1909.03211",
        "1910.01736",
    ]
    assert [each.line for each in read("2503.12213, 1909.03211\n\n1910.01736")] == [1, 1, 3]


def test_the_lines_of_a_numbered_reference_are_joined() -> None:
    broken = TITLE.replace("Networks", "Net-\nworks")
    text = f"\n[1] C. Morris, M. Ritzert. {broken}. AAAI,\n2019.\n\n[2] 1909.03211\n- 1910.01736\n"
    first, second, third = read(text)
    assert (first.line, first.title) == (2, TITLE)
    assert (second.arxiv_id, third.arxiv_id) == ("1909.03211", "1910.01736")
    assert list(references_in("One title\nAnother title")) == [(1, "One title"), (2, "Another title")]
    assert list(references_in("")) == []
    assert [each.arxiv_id for each in read("1. 2503.12213\n1909.03211")] == ["2503.12213", "1909.03211"]
    assert len(read("2001. A space odyssey\nAnother title")) == 2


def test_a_year_or_a_volume_at_the_start_of_a_line_begins_no_reference() -> None:
    text = f"[1] C. Morris, M. Ritzert. {TITLE}. In AAAI,\n2019. URL https://example.org.\n[2] Other\n12. Springer"
    first, second = read(text)
    assert (first.title, second.line) == (TITLE, 3)
    assert len(read("1. One title\n2. Another title")) == len(read("(1) One title\n(2) Another title")) == 2


def test_a_long_text_is_not_one_reference() -> None:
    found = list(references_in("[1] x\n" + "words of a text\n" * 10_000))
    assert max(len(reference) for _, reference in found) < 3_000
    assert len(title_in("A. Bo. " * 100_000 + "2019")) <= 2_000
