from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from akin.indexing.lexical_writer import LexicalWriter
from akin.papers import Paper
from retrieval_service.adapters.english import STOP_WORDS
from retrieval_service.adapters.spellings import find_compounds, pair_letters, separate_letters
from retrieval_service.adapters.tantivy_index import TantivyIndex
from retrieval_service.filter import Clause, Field, Filter

MakeIndex = Callable[..., TantivyIndex]


@pytest.fixture
def index_of(tmp_path: Path) -> MakeIndex:
    """Return a function that indexes texts: each is the title of one paper."""

    def make(*titles: str) -> TantivyIndex:
        with LexicalWriter(tmp_path / "lexical") as writer:
            writer.add(0, [Paper(f"own:{row}", title, "", (), ()) for row, title in enumerate(titles)])
            writer.close()
        return TantivyIndex(tmp_path / "lexical")

    return make


def met(index: TantivyIndex, words: str, field: Field = Field.TITLE) -> list[int]:
    """Return the rows that meet a condition; the lexical half must admit the same."""
    clause = Clause(field, (words,))
    rows: list[int] = index.find_rows([clause]).nonzero()[0].tolist()
    assert sorted(index.search("", 50, admitted=Filter((clause,))).rows.tolist()) == rows
    left_out = Clause(field, (words,), excluded=True)
    assert index.find_rows([left_out]).nonzero()[0].tolist() == [row for row in range(len(index)) if row not in rows]
    return rows


def ranked(index: TantivyIndex, query: str) -> list[int]:
    rows: list[int] = index.search(query, 50).rows.tolist()
    return rows


SPELLINGS = [
    ("pre-training", "pretraining", "pre training"),
    ("data-sets", "datasets", "data sets"),
    ("Self‐supervised", "selfsupervised", "self supervised"),
    ("U-Net", "UNet", "U-Net"),
    ("over-fitting", "overfitting", "over fitting"),
    (r"$\beta$-decay", "betadecay", "beta decay"),
    ("wave--function", "wavefunction", "wave function"),
]


@pytest.mark.parametrize("spellings", SPELLINGS)
def test_a_compound_is_found_in_every_spelling_by_every_spelling(
    index_of: MakeIndex, spellings: tuple[str, ...]
) -> None:
    index = index_of(*(f"The {spelling} of large graphs" for spelling in spellings), "Training large graphs", "Nets")
    for spelling in spellings:
        assert met(index, spelling) == [0, 1, 2]
        assert met(index, f"{spelling} of large", Field.ANYWHERE) == [0, 1, 2]
        assert {0, 1, 2} <= set(ranked(index, spelling))


def test_a_compound_is_found_if_one_paper_alone_has_it(tmp_path: Path) -> None:
    for number, (written, asked) in enumerate([("pre training", "pretraining"), ("pretraining", "pre-training")]):
        with LexicalWriter(tmp_path / str(number)) as writer:
            writer.add(0, [Paper("own:1", f"Notes on {written}", "", (), ())])
            writer.close()
        index = TantivyIndex(tmp_path / str(number))
        assert met(index, asked) == [0]
        assert ranked(index, asked) == [0]


def test_words_that_only_look_like_compounds_stay_apart(index_of: MakeIndex) -> None:
    index = index_of(
        "Not able to hasten", "A notable island that has ten harbours", "What is land use", "Pre- and post-war"
    )
    assert met(index, "notable") == [1]
    assert met(index, "hasten") == [0]
    assert ranked(index, "what is land use") == [2]
    assert find_compounds("pre- and post-war").joined == ["postwar"]
    assert find_compounds("in 2010-2015, 3 - 4").joined == []


def test_words_broken_at_line_ends_are_found(index_of: MakeIndex) -> None:
    index = index_of("Our magneto-\nencephalo-\n  graphy lasts", "A semi-\nsupervised net", "magneto optics")
    assert met(index, "magnetoencephalography") == met(index, "magneto-encephalography lasts") == [0]
    assert met(index, "semisupervised net") == met(index, "semi-supervised") == met(index, "semi supervised") == [1]


def test_phrases_of_function_words_hold(index_of: MakeIndex) -> None:
    index = index_of(
        "Rumour is all you need", "You need all the rumours", "All in all, you do need it", "To be or not to be"
    )
    assert met(index, "all you need") == [0]
    assert met(index, "is all you need", Field.ANYWHERE) == [0]
    assert met(index, "to be or not to be") == [3]
    assert met(index, "the") == [1]
    assert met(index, "be to") == []


def test_one_letter_words_count_in_phrases(index_of: MakeIndex) -> None:
    index = index_of("Stable D-branes", "Vibrating M2-branes", "A p-adic field", "An adic field", "T cells", "B cells")
    assert met(index, "D-brane") == [0]
    assert met(index, "branes") == [0, 1]
    assert met(index, "p-adic") == [2]
    assert met(index, "t cells") == [4]


def test_no_phrase_reaches_from_a_text_into_its_compounds(index_of: MakeIndex) -> None:
    index = index_of("Self-made boats sink")
    assert met(index, "sink selfmade") == met(index, "sink self") == []
    assert met(index, "selfmade boats sink") == [0]


@pytest.mark.parametrize(
    ("title", "inside", "outside"),
    [
        ("注意力机制在蛋白质折叠中的应用", ["蛋白质折叠", "注意力", "折叠", "叠"], ["力注意", "折蛋"]),
        ("量子 コンピュータの誤り訂正", ["コンピュータ", "誤り訂正", "量子コンピュータ"], ["訂正誤り"]),
        ("신경망을 이용한 단백질 접힘", ["신경망", "단백질 접힘", "단백질접힘"], ["망신경"]),
        ("การเรียนรู้เชิงลึกสำหรับภาพ", ["เรียนรู้", "เชิงลึก"], ["ลึกเชิง"]),
        ("ការរៀនម៉ាស៊ីន", ["រៀន"], ["ស៊ីនម៉ា"]),
    ],
)
def test_a_part_of_a_run_is_found_in_scripts_without_spaces(
    index_of: MakeIndex, title: str, inside: list[str], outside: list[str]
) -> None:
    index = index_of("A paper on proteins", title)
    for words in inside:
        assert met(index, words) == [1]
        assert ranked(index, words) == [1]
    for words in outside:
        assert met(index, words) == []


def test_pairs_of_letters_rank_before_single_ones(index_of: MakeIndex) -> None:
    index = index_of("力学与注射", "注意力模型", "注意事项")
    assert ranked(index, "注意力") == [1, 2]
    assert pair_letters("x注意 力y", with_letters=True).split() == ["x", "注意", "意力", "注", "意", "力", "y"]
    assert separate_letters("x注意力y").split() == ["x", "注", "意", "力", "y"]


@pytest.mark.parametrize(
    ("title", "same", "other"),
    [
        ("हिन्दी में गहन शिक्षण", "हिन्दी", "हिन्"),
        ("مُقَدِّمة في التعلم", "مقدمة", "قدمة"),
        ("رؤية عـــربية", "عربية", "عرب"),
        ("שָׁלוֹם עולם", "שלום", "לום"),
        ("Теория чисел", "теория", "тео"),
        ("Ο ΛΌΓΟΣ του Ευκλείδη", "λογος", "λογ"),
        ("می\u200cخواهم", "میخواهم", "خواهم"),
    ],
)
def test_other_scripts_are_found_by_their_words(index_of: MakeIndex, title: str, same: str, other: str) -> None:
    index = index_of("A paper", title)
    assert met(index, same) == [1]
    assert met(index, other) == []


def test_invisible_characters_are_nothing_in_papers_and_queries(index_of: MakeIndex) -> None:
    index = index_of("Photo\u00advoltaic perov\u200bskite e\ufb03ciency", "Photovoltaic perovskite effi\u2060ciency")
    for words in ("photovoltaic perovskite efficiency", "photo\u00advoltaic", "\ufeffperov\u200dskite", "ｅﬃciency"):
        assert met(index, words) == [0, 1]


def test_a_value_without_a_term_is_named(index_of: MakeIndex) -> None:
    index = index_of("The one paper")
    for field in (Field.TITLE, Field.ABSTRACT, Field.ANYWHERE, Field.AUTHOR):
        assert index.values_without_terms(Clause(field, ("!", "the", "", "\u200b-", "注"))) == ("!", "", "\u200b-")
    assert index.values_without_terms(Clause(Field.CATEGORY, ("cs.LG",))) == ()
    assert all(met(index, word) == ([0] if word in ("the", "one") else []) for word in STOP_WORDS)


def test_a_long_phrase_has_its_compounds_joined(index_of: MakeIndex) -> None:
    words = " ".join(f"word{number}" for number in range(20))
    index = index_of(f"{words} pretraining", f"{words} pre-training")
    assert met(index, f"{words} pre-training") == [0, 1]


@pytest.mark.parametrize(
    ("pattern", "rows"),
    [
        ("oper?tors", [0]), ("opera?or", [0]), ("operat*s", [0]), ("operator?", [0]), ("oper*tor", [0]),
        ("schr*dinger", [1]), ("schr?dinger", [1]), ("disc?very", [2]), ("discover?", [2]), ("disc*ies", [2]),
        ("wom?n", [3]), ("wom*", [3]), ("photo*", [4]), ("schr*dingen", []), ("disc?verx", []),
    ],
)  # fmt: skip
def test_patterns_find_words_whose_ending_is_not_indexed(index_of: MakeIndex, pattern: str, rows: list[int]) -> None:
    titles = "Neural operators", "The Schrödinger equation", "A discovery", "Women of physics", "Silicon photovoltaics"
    found = index_of(*titles).find_rows([Clause(Field.TITLE, (pattern,), pattern=True)])
    assert found.nonzero()[0].tolist() == rows


def test_umlauts_written_with_an_e_are_found_in_words(index_of: MakeIndex) -> None:
    index = index_of("The Schrödinger equation", "Traffic in München", "A pot of status", "The Schroedinger cat")
    assert met(index, "Schroedinger") == [0, 3]
    assert met(index, "schroedinger equation") == [0]
    assert met(index, "muenchen") == [1]
    assert met(index, "poet") == met(index, "statues") == []
