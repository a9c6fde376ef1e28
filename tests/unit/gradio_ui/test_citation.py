"""BibTeX entries of results."""

import pytest

from gradio_ui.answers import FoundPaper
from gradio_ui.citation import bibtex


def test_an_arxiv_paper() -> None:
    paper = FoundPaper(
        id="2503.12552",
        arxiv_id="2503.12552",
        title="The Art of\n  $\\alpha$ & More",
        authors=("Ana Müller", "Wei Zhang"),
        date="2025-03-17",
        categories=("cs.LG", "cs.CL"),
    )
    assert bibtex(paper) == (
        "@misc{muller2025art,\n"
        "  title = {{The Art of $\\alpha$ \\& More}},\n"
        "  author = {Ana Müller and Wei Zhang},\n"
        "  year = {2025},\n"
        "  eprint = {2503.12552},\n"
        "  archivePrefix = {arXiv},\n"
        "  primaryClass = {cs.LG},\n"
        "}"
    )


def test_a_journal_paper_without_an_arxiv_id() -> None:
    entry = bibtex(FoundPaper(id="x", title="T", journal_ref="Phys. Rev. D 59", doi="10.1/x"))
    assert entry.startswith("@article{t,")
    assert "journal = {Phys. Rev. D 59}" in entry
    assert "doi = {10.1/x}" in entry
    assert "eprint" not in entry
    assert "author" not in entry


@pytest.mark.parametrize("title", ["open {brace", "close} brace", "}{", "fine {brace}", "100\\% and 50%", "量子"])
def test_braces_are_always_balanced(title: str) -> None:
    entry = bibtex(FoundPaper(id="x", title=title, authors=("",)))
    assert entry.count("{") == entry.count("}")
    assert "\\\\%" not in entry
