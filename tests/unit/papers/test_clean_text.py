import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akin.papers.readers.arxiv_snapshot import arxiv_paper
from akin.papers.text import clean_abstract, clean_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Entities, also escaped twice; TeX's \& and names of companies stay.
        ("Caf&eacute; &amp; bar, p &lt; 0.05", "Café & bar, p < 0.05"),
        ("a &amp;lt; b &#38;amp;gt; c", "a < b > c"),
        ("Erd&#337;s, R&#xE9;nyi", "Erdős, Rényi"),
        ("R&D; Q&A; AT\\&T", "R&D; Q&A; AT\\&T"),
        ("fish \\&amp; chips", "fish \\& chips"),
        ("rows a \\&lt; b", "rows a \\&lt; b"),
        ("$x&nbsp;&#38;&nbsp;y$", "$x & y$"),
        ("&#0;&#xD800;&#99999999; &unknown;", "\ufffd\ufffd\ufffd &unknown;"),
        ("ef&#64257;cient", "efficient"),
        # Invisible characters.
        ("Photo\u00advoltaic perov\u00adskite", "Photovoltaic perovskite"),
        ("photo\u00ad\n  voltaic", "photovoltaic"),
        ("effi\u200bciency, an\u200d\u200cy, w\u2060ord\ufeff", "efficiency, any, word"),
        ("\u202eabc\u202c \u2066d\u2069 e\ufe0f f\u034f", "abc d e f"),
        ("می\u200cخواهم, क्\u200dष, ภาษา\u200bไทย", "می\u200cخواهم, क्\u200dष, ภาษา\u200bไทย"),
        ("a\u00a0b\u2009c\u3000d\u202fe\u2800f", "a b c d e f"),
        ("a\x00b\x08c\x9fd", "a b c d"),
        # Forms.
        ("ﬁne ﬂow, aﬀect, oﬃce", "fine flow, affect, office"),
        ("ＢＥＲＴ ２０２４, ｶﾀｶﾅ, 𝐁𝐄𝐑𝐓 𝒜", "BERT 2024, カタカナ, BERT A"),
        ("ℝ² and ½ of 5 µm™", "ℝ² and ½ of 5 µm™"),
        ("“你好”，（世界）", "“你好”，（世界）"),
        ("a non‑abelian gauge‐field", "a non-abelian gauge-field"),
        ("Erdo\u030bs, Mu\u0308ller, \u212bngström", "Erdős, Müller, Ångström"),
        # Broken words.
        ("clas-\nsification of electro-\nencephalo-\ngraphy", "classification of electroencephalography"),
        ("clas\u2010\nsification, see https://a.org/some-\nwhere", "classification, see https://a.org/some-where"),
        ("hydro-  \n   dynamical", "hydrodynamical"),
        ("само-\nорганизация", "самоорганизация"),
        ("self-\nsupervised, non-\nlinear, rule-\nbased", "self-supervised, non-linear, rule-based"),
        (
            "state-of-the-\nart x-\nray, Wi-\nFi, COVID-\n19, D-\nbrane",
            "state-of-the-art x-ray, Wi-Fi, COVID-19, D-brane",
        ),
        ("pre-\nand post-training", "pre- and post-training"),
        ("magneto-\noptical or magneto-optical", "magneto-optical or magneto-optical"),
        ("bench-\nmark, a benchmark", "benchmark, a benchmark"),
        ("wave-\nlet by wavelet", "wavelet by wavelet"),
        ("$n-\nm$ and $\\alpha-\nbeta$ -\nor -- \n no", "$n-m$ and $\\alpha-beta$ - or -- no"),
        # A space may stand where the line end was, or behind a dash.
        ("self- supervised, prob- lems of problems", "self-supervised, problems of problems"),
        ("the model- which is new", "the model- which is new"),
        # White space.
        (" Deep\r\n  nets\tand\x0bmore\x85", "Deep nets and more"),
    ],
)
def test_clean_text(text: str, expected: str) -> None:
    assert clean_text(text) == expected


@pytest.mark.parametrize(
    ("text", "paragraphs"),
    [
        ("  We study nets\nof one kind.\n", ["We study nets of one kind."]),
        ("  We study nets.\n  They are\ndeep.\n", ["We study nets.", "They are deep."]),
        ("One.\n\n \nTwo\nlines.\r\n\r\nThree.", ["One.", "Two lines.", "Three."]),
        ("One.\u2029Two.", ["One.", "Two."]),
        ("A list:\n  - one\n  - two\nand more", ["A list:", "- one", "- two and more"]),
        # Every line is indented, and sentences continue: a page's layout.
        ("\n    We study\n    nets. They\n    are deep.\n", ["We study nets. They are deep."]),
        ("a clas-\nsification\n\nof nets", ["a classification", "of nets"]),
        (" \n ", []),
        ("Let \\nu be\nsmall.", ["Let \\nu be small."]),
    ],
)
def test_clean_abstract(text: str, paragraphs: list[str]) -> None:
    assert clean_abstract(text) == "\n".join(paragraphs)


_TEXTS = st.text(st.sampled_from("ab-A \n\t\r\u00ad\u200b\u2029é\u0301ﬁ&;<\\$.")) | st.text()


@given(_TEXTS)
def test_an_abstract_without_its_line_breaks_is_that_text_on_one_line(text: str) -> None:
    assert clean_abstract(text).split() == clean_text(text).split()


@given(_TEXTS)
def test_a_line_has_single_spaces_only(text: str) -> None:
    assert clean_text(text) == " ".join(clean_text(text).split())


def test_a_record_is_cleaned() -> None:
    record = {
        "id": "2401.00001",
        "title": "Photo\u00advoltaics of A&amp;B,\n  clas-\n  sified",
        "abstract": "  First ef\u200bfect.\n  Second\npara-\ngraph.\n",
        "authors": "O\u2019Nei\u00adll, Jos&eacute;",
        "journal-ref": "J. Ef\ufb01ciency\u00a03",
    }
    paper = arxiv_paper(json.dumps(record).encode())
    assert (paper.title, paper.abstract) == (
        "Photovoltaics of A&B, classified",
        "First effect.\nSecond paragraph.",
    )
    assert [author.name for author in paper.authors] == ["O’Neill", "José"]
    assert paper.journal_ref == "J. Efficiency 3"


@pytest.mark.parametrize("mark", ["\u0489", "\u0301", "\u0300\u0316\u0489"])
def test_no_letter_keeps_hundreds_of_marks(mark):
    cleaned = clean_text(f"Z{mark * 400} behind")
    assert cleaned[0] in "ZŹ"
    assert cleaned.endswith(" behind")
    assert len(cleaned) < 40
