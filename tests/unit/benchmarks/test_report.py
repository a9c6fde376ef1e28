from __future__ import annotations

from benchmarks.report import Row, rows_table


def test_the_table_has_a_column_for_each_dataset() -> None:
    text = rows_table(
        [Row("dense", "a", "nDCG@10", 0.5), Row("dense", "b", "nDCG@10", 0.25), Row("dense", "b", "p50", 3, "ms")]
    )
    assert "| dense | nDCG@10 | 0.5 | 0.25 |" in text
    assert "| dense | p50 |  | 3 ms |" in text
