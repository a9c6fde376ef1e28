import pytest

from akin.papers import ALIASES, CATEGORIES, subject
from akin.papers.arxiv_id import OLD_ARCHIVES


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("cs.LG", "Machine Learning (cs.LG)"),
        ("stat.ML", "Machine Learning (stat.ML)"),
        ("hep-th", "High Energy Physics - Theory (hep-th)"),
        ("cond-mat.mes-hall", "Mesoscale and Nanoscale Physics (cond-mat.mes-hall)"),
        ("cmp-lg", "Computation and Language (cmp-lg)"),
        ("cs.NA", "Numerical Analysis (cs.NA)"),
        ("eess.SY", "Systems and Control (eess.SY)"),
        ("cs.XX", "cs.XX"),
        ("", ""),
    ],
)
def test_subject(code, expected):
    assert subject(code) == expected


def test_the_taxonomy_is_complete():
    # 155 current categories and 21 of merged or divided archives.
    assert len(CATEGORIES) == 176
    assert sum(code.startswith("cs.") for code in CATEGORIES) == 40
    assert sum(code.startswith("math.") for code in CATEGORIES) == 32
    assert sum(code.startswith("physics.") for code in CATEGORIES) == 22


def test_every_archive_of_old_ids_has_categories():
    archives = {code.split(".")[0] for code in CATEGORIES}
    assert archives >= OLD_ARCHIVES


def test_aliases_name_the_same_subject():
    for alias, code in ALIASES.items():
        assert alias in CATEGORIES
        assert code in CATEGORIES
        assert code not in ALIASES
    assert ALIASES["cs.SY"] == "eess.SY"
