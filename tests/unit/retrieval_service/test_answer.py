import msgspec

from akin.papers import Paper
from akin.papers.authors import Author
from retrieval_service.search.answer import PaperAnswer, SearchResult


def test_an_answer_shows_letters_and_keeps_the_source_beside_them() -> None:
    paper = Paper(
        "2401.00001",
        'The M\\"obius ladder in $\\mathbb{R}^3$',
        "One.\nTwo.",
        (Author("\\v{S}t\\v{e}tina", "Ond\\v{r}ej"), Author("Verne", "Ada")),
    )
    answer = msgspec.to_builtins(PaperAnswer.of(paper))
    assert answer["title"] == "The Möbius ladder in $\\mathbb{R}^3$"
    assert answer["abstract"] == "One.\nTwo."
    assert list(answer["authors"]) == ["Ondřej Štětina", "Ada Verne"]
    assert answer["raw"] == {"title": paper.title, "authors": ["Ond\\v{r}ej \\v{S}t\\v{e}tina", "Ada Verne"]}


def test_an_answer_without_tex_has_no_other_text() -> None:
    assert msgspec.to_builtins(PaperAnswer.of(Paper("1", "Plain", "Text")))["raw"] == {}


def test_a_result_lists_fifty_authors_and_a_paper_all() -> None:
    paper = Paper("1", "T", "A", tuple(Author(rf"S\'{{a}}{number}", "A.") for number in range(3_000)))
    result = SearchResult.of(paper, score=1.0, sources={}, duplicates=())
    assert (len(result.authors), result.author_count) == (50, 3_000)
    assert len(result.raw.authors or ()) == 50
    whole = PaperAnswer.of(paper)
    assert (len(whole.authors), whole.author_count) == (3_000, 3_000)


def test_comments_and_the_journal_are_shown_with_letters_for_tex_accents() -> None:
    shown = PaperAnswer.of(
        Paper("1", "T", "A", comments=r"In memory of P. Erd\H{o}s", journal_ref=r"Poincar\'e 3 (2020)")
    )
    assert (shown.comments, shown.journal_ref) == ("In memory of P. Erdős", "Poincaré 3 (2020)")
    assert PaperAnswer.of(Paper("1", "T", "A")).comments is None
