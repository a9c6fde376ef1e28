"""Rows are compared with their base over the same queries."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.ablation.run import RESULTS, ROWS, values_file
from training.ablation.table import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the ablation of a base, a row that is better on each query of a set, and one that differs by noise."""
    rng = np.random.default_rng(0)
    base = {"claim": rng.uniform(0, 0.5, 200), "title": rng.uniform(0, 0.5, 100)}
    better = {"claim": base["claim"] + 0.1, "title": base["title"]}
    noise = {name: values + rng.normal(0, 0.2, len(values)) for name, values in base.items()}
    results = []
    for row, share, sets in (("base", 0.0, base), ("better", 0.0, better), ("better", 0.4, noise)):
        own = tmp_path / ROWS / row
        own.mkdir(parents=True, exist_ok=True)
        hybrid = {f"{name}|hybrid|nDCG@10": values for name, values in sets.items()}
        dense = {f"{name}|dense|nDCG@10": values / 2 for name, values in sets.items()}
        np.savez(values_file(own, share), **hybrid, **dense)
        results.append(json.dumps({"row": row, "base_share": share}) + "\n")
    (tmp_path / RESULTS).write_text("".join(results))
    return tmp_path


def test_differences_are_paired_and_bold_beyond_their_interval(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder)]) == 0
    header, _, base, better, noise = capsys.readouterr().out.splitlines()
    assert header == "| hybrid, nDCG@10 | mean | claim (200) | title (100) |"
    values = [float(cell) for cell in base.split("|")[2:5]]
    assert values[0] == pytest.approx((values[1] + values[2]) / 2, abs=1e-4)
    assert better.split("|")[1:5] == [
        " `better` ",
        " **+0.0500** [+0.0500, +0.0500] ",
        " **+0.1000** [+0.1000, +0.1000] ",
        " +0.0000 [+0.0000, +0.0000] ",
    ]
    assert noise.startswith("| `better`, 0.4 of the base |")
    assert "**" not in noise


def test_mode_and_sets_are_chosen_and_wrong_names_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder), "--mode", "dense", "--set", "claim"]) == 0
    assert "**+0.0500** [+0.0500, +0.0500] | **+0.0500** [+0.0500, +0.0500] |" in capsys.readouterr().out
    for wrong, reason in (
        (["--base", "none"], "has no results of this row"),
        (["--set", "draft"], "There are: claim, title"),
        (["--metric", "MAP"], "has no MAP of hybrid search"),
    ):
        assert main([str(folder), *wrong]) == 1
        assert reason in capsys.readouterr().err
