r"""Names in whatever manner a source writes them.

The table has the parse that arXiv's published rule gives, where the rule gives a person or a collaboration. Notation:
authors are separated by "; ", parts of a name by "/": family/given/suffix. A collaboration has a star before it.
"""

from __future__ import annotations

import gzip
import json
import os
import unicodedata
from pathlib import Path

import pytest

from akin.papers import Author, parse_author, parse_authors
from akin.papers.authors import divided_authors, listed_authors, snapshot_authors

SNAPSHOT = "ARXIV_SNAPSHOT"
_COMPARED = 10_000

LISTS = [
    # Separators.
    ("A. Lind, B. Reyes", "Lind/A.; Reyes/B."),
    ("Ileana Lind and Louis Reyes", "Lind/Ileana; Reyes/Louis"),
    ("A. Lind,\n  B. Reyes, and C. Om", "Lind/A.; Reyes/B.; Om/C."),
    ("Ada Lind & Bo Reyes", "Lind/Ada; Reyes/Bo"),
    (r"Ada Lind \& Bo Reyes \and Cy Om", "Lind/Ada; Reyes/Bo; Om/Cy"),
    ("Ada Lind And Bo Reyes", "Lind/Ada; Reyes/Bo"),
    ("Ada Lind; Bo Reyes", "Lind/Ada; Reyes/Bo"),
    ("Ada Lind，Bo Reyes、Cy Om；Di Pu", "Lind/Ada; Reyes/Bo; Om/Cy; Pu/Di"),
    ("Ada Lind, ; Bo Reyes", "Lind/Ada; Reyes/Bo"),
    (" , :,", ""),
    ("", ""),
    ("Ada Lind, :, Bo Reyes", "Lind/Ada; Reyes/Bo"),
    ("Authors: Ada Lind, Bo Reyes", "Lind/Ada; Reyes/Bo"),
    # One name: particles, suffixes, initials.
    ("Plato", "Plato"),
    ("Pieter van der Meer", "van der Meer/Pieter"),
    ("Herbert Van de Sompel", "Van de Sompel/Herbert"),
    ("John von Neumann", "von Neumann/John"),
    ("Ana de la Cruz, Ugo della Porta", "de la Cruz/Ana; della Porta/Ugo"),
    ("Rik ter Braak, Lia da Silva", "ter Braak/Rik; da Silva/Lia"),
    ("Io di Marco, Udo dem Berg", "di Marco/Io; dem Berg/Udo"),
    ("Tom Mac Lane, Ines del Pino", "Mac Lane/Tom; del Pino/Ines"),
    ("Lucía Ortega Fuentes", "Fuentes/Lucía Ortega"),
    ("Ann van der Meer Jr", "Meer/Ann van der/Jr"),
    ("Calvin Reyes Jr., Mona Dale", "Reyes/Calvin/Jr.; Dale/Mona"),
    ("Calvin Reyes, Jr., Mona Dale", "Reyes/Calvin/Jr.; Dale/Mona"),
    ("Calvin Reyes Sr, Bo Lind, III", "Reyes/Calvin/Sr; Lind/Bo/III"),
    ("Fred Bloggs IV, Ed Poe V, Di Roe II", "Bloggs/Fred/IV; Poe/Ed/V; Roe/Di/II"),
    ("Ada Lind I", "Lind/Ada/I"),
    ("J. C. Lopez V., A. Lind", "V./J. C. Lopez; Lind/A."),
    ("Jr-Shin Li", "Li/Jr-Shin"),
    ("S.A. Lind, J.-P.Serre, JP Serre", "Lind/S. A.; Serre/J.-P.; Serre/JP"),
    ("T. O'Brien, S. L. Bud'ko", "O'Brien/T.; Bud'ko/S. L."),
    (r"C. Bal\'azs, Ond\v rej \v{S}t\v{e}tina, {\O}. Lind", r"Bal\'azs/C.; \v{S}t\v{e}tina/Ond\v{r}ej; Lind/{\O}."),
    (r"Goran Mui\' c, J. J.~Renema, Pe\~na Lind", r"Mui\'c/Goran; Renema/J. J.; Lind/Pe\~na"),
    (r"\.{Z}. Lind, \.Z. Om", r"Lind/\.{Z}.; Om/\.Z."),
    ("李明, 王芳", "李明; 王芳"),
    ("李 明", "李 明"),
    ("Иван Петров", "Петров/Иван"),
    # Affiliations and footnotes.
    ("A. Lind (1), B. Reyes (2 and 3) ((1) Here, (2) There)", "Lind/A.; Reyes/B."),
    ("A. Lind (Univ. X (Dept. Y), City), B. Reyes", "Lind/A.; Reyes/B."),
    ("Fay Ueda, Gus Vance (Univ. of Somewhere", "Ueda/Fay; Vance/Gus"),
    ("A. Lind (1), B. Om (2) ((1) Inst, (2) Other", "Lind/A.; Om/B."),
    ("A. Lind (Univ. X, B. Reyes (Univ. Y), C. Om (Z)", "Lind/A.; Reyes/B.; Om/C."),
    ("A. Lind (Univ. X)), B. Reyes", "Lind/A.; Reyes/B."),
    ("A. Lind [1], B. Reyes[2]]", "Lind/A.; Reyes/B."),
    ("Ada Lind$^{1,2}$, Bo Reyes$^*$, Cy Om¹", "Lind/Ada; Reyes/Bo; Om/Cy"),
    ("1Ada Lind, Bo Reyes2, 3 Cy Om*, † Di Pu", "Lind/Ada; Reyes/Bo; Om/Cy; Pu/Di"),
    ("Ada Lind<sup>1,2</sup>, Bo Reyes ada@example.org", "Lind/Ada; Reyes/Bo"),
    ("(A. Lind, B. Om)", "Lind/A.; Om/B."),
    ("A. Lind, et al.", "Lind/A."),
    ("H. O. Lind et al", "Lind/H. O."),
    ("A. Lind, with an appendix by B. Om", "Lind/A.; Om/B."),
    # Collaborations.
    ("The NORDLYS Collaboration: A. Halvorsen, B. Quint", "*The NORDLYS Collaboration; Halvorsen/A.; Quint/B."),
    ("NA99/BRIM Collaboration, A. Lind, et al", "*NA99/BRIM Collaboration; Lind/A."),
    ("OpenLab: A. Lind, B. Om", "*OpenLab; Lind/A.; Om/B."),
    ("Qwert Team, A. Lind", "*Qwert Team; Lind/A."),
    ("A. Lind, for the KAPPA Collaboration", "Lind/A.; *KAPPA Collaboration"),
    ("A. Lind on behalf of the KAPPA-2 collaboration", "Lind/A.; *KAPPA-2 collaboration"),
    ("H. Wirth, for the KAPPA and LUMEN Collaborations", "Wirth/H.; *KAPPA Collaboration; *LUMEN Collaboration"),
    ("H. Wirth on behalf of the X and Y Collaborations", "Wirth/H.; *X Collaboration; *Y Collaboration"),
    ("H. Wirth, for the A, B, and C Collaborations", "Wirth/H.; *A Collaboration; *B Collaboration; *C Collaboration"),
    ("H. Wirth, KAPPA and LUMEN Collaborations", "Wirth/H.; *KAPPA Collaboration; *LUMEN Collaboration"),
    ("A. Lind, for the Kappa Collaboration and the Brim Team", "Lind/A.; *Kappa Collaboration; *Brim Team"),
    ("A. Lind, for the Science and Technology Group", "Lind/A.; *Science and Technology Group"),
    ("A. Lind (for the STAR Collaboration)", "Lind/A.; *STAR Collaboration"),
    ("A. Lind et al. (CDX Collaboration)", "Lind/A.; *CDX Collaboration"),
    ("The X Collaboration: A. Lind, for the X collaboration", "*The X Collaboration; Lind/A."),
    ("A. Lind, for the CTX Consortium", "Lind/A.; *CTX Consortium"),
    ("A. Lind, the Swift E/PO Team", "Lind/A.; *Swift E/PO Team"),
    ("R. C. Group, A. Lind", "Group/R. C.; Lind/A."),
    ("A. Lind, University of Somewhere", "Lind/A.; *University of Somewhere"),
    # Family names first, as other tools export them.
    ("Lind, Ada; Reyes, Bo", "Lind/Ada; Reyes/Bo"),
    ("Ortega Fuentes, Lucía; van der Meer, Pieter; Reyes, Jr., Calvin",
     "Ortega Fuentes/Lucía; van der Meer/Pieter; Reyes/Calvin/Jr."),
    ("Lind, Ada and Reyes, Bo", "Lind/Ada; Reyes/Bo"),
    ("{KAPPA Collaboration} and Lind, Ada", "*KAPPA Collaboration; Lind/Ada"),
    ("Lind, A., Reyes, B. and Om, C.-D.", "Lind/A.; Reyes/B.; Om/C.-D."),
]  # fmt: skip


def _authors(notation: str) -> tuple[Author, ...]:
    found = []
    for part in filter(None, notation.split("; ")):
        star = part.startswith("*")
        found.append(Author(part[1:], collaboration=True) if star else Author(*part.split("/")[:3]))  # type: ignore[arg-type]
    return tuple(found)


@pytest.mark.parametrize(("text", "expected"), LISTS)
def test_printed_lists(text: str, expected: str) -> None:
    assert parse_authors(text) == _authors(expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Lind, Ada", "Lind/Ada"), ("Calvin Reyes, Jr.", "Reyes/Calvin/Jr."), ("Plato", "Plato"),
        ("Reyes, Jr., Calvin", "Reyes/Calvin/Jr."), ("Reyes, Calvin, III", "Reyes/Calvin/III"),
        ("van der Meer, Pieter", "van der Meer/Pieter"),
        ("The NORDLYS Collaboration", "*The NORDLYS Collaboration"),
    ],
)  # fmt: skip
def test_a_name_alone(name: str, expected: str) -> None:
    assert (parse_author(name),) == _authors(expected)


def test_a_list_of_names() -> None:
    names = ["Lind, Ada", " B.  Reyes ", " ", ":", "et al.", "for the KAPPA Collaboration", "C. Om and D. Pu"]
    assert listed_authors(names) == _authors("Lind/Ada; Reyes/B.; *KAPPA Collaboration; Om/C.; Pu/D.")


def test_divided_names_are_kept_and_what_is_no_person_is_not_one() -> None:
    lists = [["Balázs", "C.", ""], ["King", "M. L.", "Jr.", "Atlanta"], ["Ortega Fuentes", "Lucía", ""], ["CERN"], []]
    assert divided_authors(lists) == _authors("Balázs/C.; King/M. L./Jr.; Ortega Fuentes/Lucía; CERN")
    lists = [["The NORDLYS Collaboration", "", ""], [":", "", ""], ["Quint", "J. -B.", ""], ["Reyes,", "Cy", "Jr."]]
    assert divided_authors(lists) == _authors("*The NORDLYS Collaboration; Quint/J.-B.; Reyes/Cy/Jr.")
    lists = [["Wirth", "H.", ""], ["KAPPA", "for the", ""], ["Collaborations", "LUMEN", ""], ["al", "et", ""]]
    assert divided_authors(lists) == _authors("Wirth/H.; *KAPPA Collaboration; *LUMEN Collaboration")
    assert divided_authors([["Lind", "A.", "", "the X Collaboration"]]) == _authors("Lind/A.; *X Collaboration")


@pytest.mark.parametrize(
    ("text", "lists"),
    [
        ("H. Wirth, for the KAPPA and LUMEN Collaborations",
         [["Wirth", "H.", ""], ["KAPPA", "for the", ""], ["Collaborations", "LUMEN", ""]]),
        ("NA99/BRIM Collaboration: A. Lind", [["BRIM Collaboration", "", ""], ["Lind", "A.", ""]]),
        ("Cy Lind for the KAPPA-2 collaboration", [["2 collaboration", "", ""]]),
        ("A. Lind (for the STAR Collaboration)", [["Lind", "A.", "", "for the STAR Collaboration"]]),
        ("A. Lind, B. Reyes (1) ((1) Here)", [["Lind", "A.", "", "Here"], ["Reyes", "B.", "", "Here"]]),
    ],
)  # fmt: skip
def test_a_harvest_and_the_snapshot_file_give_the_same_record(text: str, lists: list[list[str]]) -> None:
    assert snapshot_authors(text, lists) == parse_authors(text) != ()


def test_the_divided_list_wins_where_it_says_more() -> None:
    lists = [["KAPPA Collaboration", "", ""], ["Ortega Fuentes", "Lucía", ""]]
    assert snapshot_authors("KAPPA Collaboration: Lucía Ortega Fuentes", lists) == _authors(
        "*KAPPA Collaboration; Ortega Fuentes/Lucía"
    )
    assert snapshot_authors(None, lists)[1] == Author("Ortega Fuentes", "Lucía")


def _plain(authors: tuple[Author, ...]) -> list[str]:
    """Return the names without accents, TeX and spaces."""
    names = ("/".join((one.family, one.given, one.suffix)) for one in authors)
    letters = ("".join(unicodedata.normalize("NFKD", name)) for name in names)
    return ["".join(sign for sign in name if sign.isascii() and (sign.isalpha() or sign in "/-")) for name in letters]


def test_equality_with_the_divided_names_of_arxivs_snapshot() -> None:
    path = os.environ.get(SNAPSHOT)
    if not path:
        pytest.skip(f"no real records with divided names: set {SNAPSHOT} to the path of arXiv's metadata snapshot")
    same = total = 0
    with gzip.open(path) if path.endswith(".gz") else Path(path).open("rb") as lines:
        for line in lines:
            record = json.loads(line)
            # TeX accents are letters in the divided list; their conversion is tested elsewhere.
            if record.get("authors_parsed") and "\\" not in record["authors"]:
                total += 1
                same += _plain(parse_authors(record["authors"])) == _plain(divided_authors(record["authors_parsed"]))
                if total == _COMPARED:
                    break
    assert same >= 0.99 * max(total, 1), f"{same} of {total} records are equal"


PUBMED = (Author("Lind", "A"), Author("van der Meer", "CJ"), Author("Reyes", "B"))


@pytest.mark.parametrize(
    "text",
    ["Lind A, van der Meer CJ, Reyes B", "Lind A; van der Meer CJ; Reyes B", "Lind A, van der Meer CJ and Reyes B"],
)
def test_initials_without_dots_behind_every_family_name(text: str) -> None:
    assert parse_authors(text) == PUBMED
    assert listed_authors(["Lind A", "van der Meer CJ", "Reyes B"]) == PUBMED


@pytest.mark.parametrize(
    "text", ["Xiaoming LI, Bo WU", "Xiaoming LI, Jian NG", "Ada Lind, Malcolm X", "ADA LIND, BO X", "Malcolm X"]
)
def test_capitals_behind_some_names_are_family_names(text: str) -> None:
    assert [author.family for author in parse_authors(text)] == [name.split()[-1] for name in text.split(", ")]
