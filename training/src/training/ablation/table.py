"""Compare the rows of an ablation: `python -m training.ablation.table FOLDER [--mode dense] [--set NAME …]`.

It prints a Markdown table: the base's values, then each row's differences from them with 95 % intervals over the same
queries, bold where the interval does not hold zero. The first column is the mean of the sets, each of equal weight.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.ablation.run import ROWS, read_results, values_file
from training.command import run_command
from training.errors import ConfigurationError
from training.evaluation.bootstrap import interval, resample_means

_CONFIDENCE = 0.95
_RESAMPLES = 10_000

Values = NDArray[np.float64]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace) -> str:
    rows = [(result["row"], result["base_share"]) for result in read_results(options.folder)]
    if (options.base, 0.0) not in rows:
        raise ConfigurationError(f"--base {options.base}: {options.folder} has no results of this row.")
    values = {
        row: _read(values_file(options.folder / ROWS / row[0], row[1]), options.mode, options.metric)
        for row in dict.fromkeys(rows)
    }
    base = values.pop((options.base, 0.0))
    sets = options.sets or list(base)
    if unknown := sorted(set(sets) - base.keys()):
        raise ConfigurationError(f"--set {unknown[0]}: there is no such set. There are: {', '.join(base)}.")
    means = [base[name].mean() for name in sets]
    lines = [
        f"| {options.mode}, {options.metric} | mean | {' | '.join(f'{name} ({len(base[name])})' for name in sets)} |",
        "| --- |" + " ---: |" * (len(sets) + 1),
        f"| `{options.base}` | {' | '.join(f'{value:.4f}' for value in (np.mean(means), *means))} |",
    ]
    for (row, share), found in values.items():
        label = f"`{row}`, {share:g} of the base" if share else f"`{row}`"
        lines.append(f"| {label} | {' | '.join(compare(found, base, sets))} |")
    return "\n".join(lines)


def compare(values: dict[str, Values], base: dict[str, Values], sets: Sequence[str]) -> list[str]:
    """Return the difference of the mean of all sets, then that of each set, with their intervals, as text."""
    differences = [values[name] - base[name] for name in sets]
    drawn = [resample_means(each[:, None], _RESAMPLES, seed)[:, 0] for seed, each in enumerate(differences)]
    own = [float(each.mean()) for each in differences]
    together: Values = np.mean(drawn, axis=0)
    return [_text(value, draws) for value, draws in zip([float(np.mean(own)), *own], [together, *drawn], strict=True)]


def _text(value: float, draws: Values) -> str:
    found = interval(value, draws, _CONFIDENCE)
    number = f"{value:+.4f}"
    return f"{f'**{number}**' if found.low > 0 or found.high < 0 else number} [{found.low:+.4f}, {found.high:+.4f}]"


def _read(path: Path, mode: str, metric: str) -> dict[str, Values]:
    """Return the values of each query, by set."""
    with np.load(path) as found:
        names = {key: key.split("|") for key in found.files}
        kept = {name: found[key] for key, (name, *rest) in names.items() if rest == [mode, metric]}
    if not kept:
        raise ConfigurationError(f"{path} has no {metric} of {mode} search.")
    return {name: values.astype(np.float64) for name, values in kept.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.ablation.table", description="Print the rows of an ablation beside its base."
    )
    parser.add_argument("folder", type=Path, help="folder of `python -m training.ablation.run`")
    parser.add_argument("--base", default="base", metavar="ROW", help="row to compare with")
    parser.add_argument("--mode", default="hybrid", choices=["lexical", "dense", "hybrid"], help="way of searching")
    parser.add_argument("--metric", default="nDCG@10", help="metric")
    parser.add_argument("--set", dest="sets", action="append", default=[], help="set to show; may be repeated")
    return parser


if __name__ == "__main__":
    sys.exit(main())
