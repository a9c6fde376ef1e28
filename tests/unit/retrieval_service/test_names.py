"""Words of names: every spelling of one name has the same words."""

from __future__ import annotations

from pathlib import Path

import pytest

from akin.indexing.lexical_writer import LexicalWriter
from akin.papers import Author, Paper, parse_authors
from retrieval_service.adapters.english import name_analyzer
from retrieval_service.adapters.names import name_words
from retrieval_service.adapters.tantivy_index import TantivyIndex
from retrieval_service.filter import Clause, Field

NAMES = name_analyzer()


@pytest.mark.parametrize(
    "spellings",
    [
        ("Karla Schröder", "Karla Schroeder", "Karla Schroder", r"Karla Schr\"oder", "Schroeder, Karla"),
        ("Lars Sørensen", "Lars Soerensen", "Lars Sorensen", r"Lars S{\o}rensen"),
        ("Jürgen Müller", "Juergen Mueller", "Jurgen Muller"),
        ("Åke Nygård", "Ake Nygaard", "Ake Nygard"),
        ("Eva Weiß", "Eva Weiss"),
        ("Flann O'Brien", "Flann O’Brien", "Flann OBrien"),
        ("J.-P. Serre", "J. P. Serre", "JP Serre", "Serre, J.-P."),
        ("Calvin Reyes Jr.", "Calvin Reyes, Jr.", "Reyes, Jr., Calvin"),
        ("The KAPPA Collaboration", "KAPPA Collaboration", "kappa collaboration"),
        ("Pieter van der Meer", "van der Meer, Pieter"),
        ("Sergei Dolinsky", "Sergey Dolinskii", "Sergej Dolinskij", "Sergey Dolinskiy", "Dolinski, Sergei"),
        ("Yuri Soloviev", "Yury Solovyov", "Yurii Solov'ev", "Yuriy Solovyev"),
        ("Aleksandr Andreyev", "Alexander Andreev"),
        ("Tatyana Kovalevskaya", "Tatiana Kovalevskaia"),
        ("Maxim Dostoyevsky", "Maksim Dostoevskii"),
    ],
)
def test_spellings_of_one_name(spellings: tuple[str, ...]) -> None:
    first, *others = (name_words(name, NAMES) for name in spellings)
    assert len(first) > 1
    assert [first] * len(others) == others


@pytest.mark.parametrize(
    ("one", "other"), [("Xue Li", "Xu Li"), ("A. Michael", "A. Michal"), ("A. Quentin", "A. Quntin"), ("Bauer", "Baur"),
     ("Ada Levy", "Ada Levi"), ("A. Lyon", "A. Lion"), ("A. Marks", "A. Marx"), ("A. Meyer", "A. Meier")],
)  # fmt: skip
def test_other_names_stay_other_names(one: str, other: str) -> None:
    assert name_words(one, NAMES) != name_words(other, NAMES)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> TantivyIndex:
    many = (*(Author(f"Lind{number}", "Ada") for number in range(4_999)), Author("Quint", "Bo"))
    lists = [
        parse_authors("Calvin Reyes Jr., Mona Dale"),
        (Author("Ortega Fuentes", "Lucía"), Author("van der Meer", "Pieter")),
        parse_authors("Karla Schröder, Lars Sørensen"),
        parse_authors("The NORDLYS Collaboration: A. Halvorsen, B. Quint"),
        many,
    ]
    lists += [
        (Author(family, given),)
        for family, given in (
            ("Щербаков", "Сергей"), ("Dolinskii", "Yurii"), ("Παπαδόπουλος", "Γ."), ("D'Angelo", "Mira"),
            ("王小明", ""),
            ("Zhang", "Daming"), ("김철수", ""), ("ბერიძე", "გიორგი"), ("Ямада", "Ю."), ("Ευαγγέλου", "Παύλος"),
            ("Յակոբեան", "Արամ"), ("やまだ", "はな"), ("郎太", "山本"),
        )
    ]  # fmt: skip
    path: Path = tmp_path_factory.mktemp("names") / "lexical"
    with LexicalWriter(path) as writer:
        writer.add(0, [Paper(str(row), "T", "A", authors) for row, authors in enumerate(lists)])
        writer.close()
    return TantivyIndex(path)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("Calvin Reyes, Jr.", [0]), ("Reyes, Calvin", [0]), ("C. Reyes", [0]), ("Calvin Dale", []),
        ("Ortega Fuentes", [1]), ("Fuentes", [1]), ("Ortega Fuentes, L.", [1]), ("van der Meer, P.", [1]),
        ("Meer", [1]),
        ("Schroeder", [2]), ("K. Schröder", [2]), ("Soerensen, L.", [2]),
        ("NORDLYS", [3]), ("NORDLYS Collaboration", [3]), ("the Nordlys collaboration", [3]),
        ("Quint", [3, 4]), ("Bo Quint", [3, 4]), ("Ada Lind4998", [4]), ("Lind4997 Lind4998", []), ("Lind4998 Bo", []),
        ("Shcherbakov", [5]), ("Sergei Shcherbakov", [5]), ("Sergey Shcherbakov", [5]), ("S. Shcherbakov", [5]),
        ("Shcherbakov, S.", [5]), ("Щербаков", [5]), ("С. Щербаков", [5]),
        ("Юрий Долинский", [6]), ("Yury Dolinsky", [6]), ("Долинский", [6]),
        ("Papadopoulos", [7]), ("Georgios Papadopoulos", [7]), ("Παπαδόπουλος", [7]), ("Γεώργιος Παπαδόπουλος", [7]),
        ("Angelo", [8]), ("DAngelo", [8]), ("d’Angelo", [8]), ("Mira D Angelo", [8]), ("M. Angelo", [8]),
        ("Wang Xiaoming", [9]), ("X. Wang", [9]), ("王小明", [9]), ("王大明", []), ("张大明", [10]),
        ("王 小明", [9]), ("山本 郎太", [17]), ("山本郎太", [17]), ("金철수", []), ("김 철수", [11]),
        ("Kim Cheolsu", [11]), ("김철수", [11]), ("Giorgi Beridze", [12]),
        ("Yuri Yamada", [13]), ("Yamada, Hana", [16]),
        ("Pavlos Evangelou", [14]), ("Pavlos Papadopoulos", []),
    ],
)  # fmt: skip
def test_names_are_found(index: TantivyIndex, name: str, rows: list[int]) -> None:
    assert index.find_rows([Clause(Field.AUTHOR, (name,), False)]).nonzero()[0].tolist() == rows


@pytest.mark.parametrize(("pattern", "rows"), [("schröd*", [2]), ("dolinsk*", [6]), ("yurii*", [6]), ("shcherb*", [5])])
def test_patterns_match_a_name_as_it_is_written(index: TantivyIndex, pattern: str, rows: list[int]) -> None:
    clause = Clause(Field.AUTHOR, (pattern,), False, pattern=True)
    assert index.find_rows([clause]).nonzero()[0].tolist() == rows
