from datetime import date

from papers import Paper, bibtex, citation

PREPRINT = Paper(
    "2503.12552",
    "The  50% rule & $x_i$ of {\\'E}tale_nets",
    "A.",
    authors=("Jürgen Müller", "Ann Lee"),
    categories=("cs.LG", "stat.ML"),
    published=date(2025, 3, 16),
)
ARTICLE = Paper(
    "hep-th/9901001",
    "Is gravity dual?",
    "A.",
    authors=("A. One", "B. Two", "C. Three", "D. Four", "E. Five", "F. Six", "The G and H Collaboration"),
    categories=("hep-th",),
    published=date(1999, 1, 1),
    doi="10.1/jhep",
    journal_ref="JHEP 9901:001, 1999",
)


def test_bibtex_of_a_preprint():
    assert bibtex(PREPRINT) == (
        "@misc{muller202550,\n"
        "  title = {The 50\\% rule \\& $x_i$ of {\\'E}tale\\_nets},\n"
        "  author = {Jürgen Müller and Ann Lee},\n"
        "  year = {2025},\n"
        "  eprint = {2503.12552},\n"
        "  archivePrefix = {arXiv},\n"
        "  primaryClass = {cs.LG},\n"
        "  url = {https://arxiv.org/abs/2503.12552},\n"
        "  month = mar,\n"
        "}"
    )


def test_bibtex_of_an_article():
    entry = bibtex(ARTICLE)
    assert entry.startswith("@article{one1999gravity,")
    assert "journal = {JHEP 9901:001, 1999}" in entry
    assert "doi = {10.1/jhep}" in entry
    assert "and {The G and H Collaboration}}" in entry


def test_bibtex_survives_a_record_with_next_to_nothing():
    assert bibtex(Paper("471", "", "Only text.")) == "@misc{471,\n}"


def test_an_unbalanced_brace_or_a_lone_dollar_does_not_break_the_entry():
    entry = bibtex(Paper("1", "Sets { and costs of $5", "A."))
    assert "title = {Sets and costs of \\$5}" in " ".join(entry.split())
    assert entry.count("{") == entry.count("}")


def test_citation_of_a_preprint():
    assert citation(PREPRINT).startswith("Jürgen Müller and Ann Lee. The 50% rule")
    assert citation(PREPRINT).endswith("arXiv:2503.12552 [cs.LG], 2025. https://arxiv.org/abs/2503.12552")


def test_citation_of_an_article_with_many_authors():
    assert citation(ARTICLE) == (
        "A. One et al. Is gravity dual? JHEP 9901:001, 1999, arXiv:hep-th/9901001 [hep-th]. https://doi.org/10.1/jhep"
    )


def test_citation_of_a_record_without_authors_or_date():
    assert citation(Paper("471", "Wings", "A.")) == "Wings."
