"""Rows of an ablation are composed, written and read."""

from pathlib import Path

import pytest

from training.ablation.rows import compose_rows, read_rows, write_rows
from training.errors import ConfigurationError
from training.fit.losses import check_kinds
from training.pipeline.composition import CONFIGS


@pytest.mark.parametrize("file", ["ablation.yaml", "ablation_cpu.yaml"])
def test_the_rows_of_both_recipes_are_valid_and_at_least_ten(file: str, tmp_path: Path) -> None:
    rows = compose_rows(["data.papers=papers.jsonl"], CONFIGS / file)
    assert len(rows) >= 10
    for row in rows:
        shares = row.configuration.pairs.shares
        kinds = [kind for kind, share in shares.items() if share > 0]
        check_kinds(
            row.configuration.loss,
            row.configuration.losses,
            kinds,
            row.configuration.pairs.labelled,
            streaming=row.configuration.trainer.streaming,
        )
        # A share of the base is taken after the training, so that several shares can be compared.
        assert row.configuration.trainer.base_weight == 0
        assert not row.train or not row.soup
    write_rows(tmp_path, rows)
    assert read_rows(tmp_path) == rows


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("[{name: a}, {name: a}]", "two rows have the same name"),
        ("[{name: a, soup: [b]}, {name: b}]", "a averages b, which is no earlier row"),
        ("[{name: a, soups: [b]}]", "soups"),
        ("[{name: a, overrides: [loss=none]}]", "loss"),
        ("{", "cannot be read"),
    ],
)
def test_wrong_rows_are_refused_in_words(rows: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "rows.yaml").write_text(f"common: [experiment=smoke]\nrows: {rows}\n")
    with pytest.raises(ConfigurationError, match=reason):
        compose_rows(path=tmp_path / "rows.yaml")


def test_rows_that_were_not_composed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="compose the rows again"):
        read_rows(tmp_path)
