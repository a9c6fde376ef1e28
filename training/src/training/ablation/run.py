"""Run an ablation: `python -m training.ablation.run FOLDER [--minutes N] [--workers N] [--only ROW …]`.

The folder holds `rows.json`, `pairs.jsonl` and `sets/`, as `python -m training.ablation.prepare` writes them. Each row
is trained and measured on every set in lexical, dense and hybrid search, as trained and averaged with its base. Rows
that are measured already are skipped, so a stopped ablation continues.
"""

from __future__ import annotations

import argparse
import copy
import functools
import hashlib
import json
import multiprocessing
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from training.ablation.rows import Row, read_rows
from training.command import run_command
from training.data.config import HybridNegativesConfig, NegativesConfig, NeighboursConfig, NoMining
from training.errors import ConfigurationError, FitError
from training.pipeline.configuration import Configuration
from training.progress import log_progress

PAIRS = "pairs.jsonl"
SETS = "sets"
RESULTS = "results.jsonl"
ROWS = "rows"
MODEL = "model"
BASE_SHARES = (0.0, 0.4)
_MEASURED_AT_ONCE = {"cuda": 512, "cpu": 32}
"""Texts to encode at once, by device: large batches exceed a CPU's caches."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace) -> str:
    folder: Path = options.folder
    rows = read_rows(folder)
    wanted = {row.name: digest(row) for row in rows}
    if unknown := sorted(set(options.only) - wanted.keys()):
        raise ConfigurationError(f"--only {unknown[0]}: there is no such row. There are: {', '.join(wanted)}.")
    done = {
        result["row"]
        for result in read_results(folder)
        if (wanted.get(result["row"]), options.tokens) == (result.get("digest"), result.get("tokens"))
    }
    waiting = [row for row in rows if row.name not in done and (not options.only or row.name in options.only)]
    ends = time.monotonic() + 60 * options.minutes
    schedule = _Schedule(folder, waiting, done, options)
    try:
        while schedule.is_busy and time.monotonic() < ends:
            schedule.start_rows()
            schedule.collect_results()
            time.sleep(0.1)
    finally:
        schedule.stop()
    return f"{len(done)} of {len(rows)} rows are in {folder / RESULTS}"


class _Schedule:
    """Rows that wait, run and are done. Rows with the same pairs wait for one mining."""

    def __init__(self, folder: Path, waiting: list[Row], done: set[str], options: argparse.Namespace) -> None:
        """Start all mining that the waiting rows need; `done` gets the names of rows that have results."""
        self._folder, self._waiting, self._done = folder, waiting, done
        self._shares, self._tokens, self._at_once = options.shares, options.tokens, options.workers
        self._failed: set[str] = set()
        self._pool = ProcessPoolExecutor(options.workers, mp_context=multiprocessing.get_context("spawn"))
        self._running: dict[Future[Any], Row] = {}
        self._mined: dict[Path, Future[Any]] = {}
        for row in waiting:
            target = pairs_file(folder, row.configuration)
            if _mines(row) and not target.exists() and target not in self._mined:
                self._mined[target] = self._pool.submit(mine, folder, row.configuration)

    @property
    def is_busy(self) -> bool:
        """Return True while a row waits or runs."""
        return bool(self._waiting or self._running)

    def start_rows(self) -> None:
        """Start the rows that have all they need, as many as may run at once. One that cannot have it has failed."""
        for row in list(self._waiting):
            try:
                ready = self._is_ready(row)
            except Exception as error:  # The other rows are worth having.
                self._waiting.remove(row)
                self._fail(row, error)
                continue
            if ready and len(self._running) < self._at_once:
                self._waiting.remove(row)
                self._running[self._pool.submit(run_row, self._folder, row, self._shares, self._tokens)] = row

    def collect_results(self) -> None:
        """Wait for a row or a mining to end, at most a second, and write the results of the rows that have ended."""
        ended, _ = wait({*self._running, *self._mined.values()}, timeout=1, return_when=FIRST_COMPLETED)
        for future in ended & self._running.keys():
            row = self._running.pop(future)
            failure = future.exception()
            if failure is None:
                self._done.add(row.name)
                with (self._folder / RESULTS).open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(result) + "\n" for result in future.result())
            elif "out of memory" in str(failure) and self._at_once > 1:
                self._at_once -= 1
                self._waiting.append(row)
                log_progress(f"row {row.name} ran out of memory and runs again: from now on {self._at_once} at once")
            else:
                self._fail(row, failure)

    def stop(self) -> None:
        """End what runs."""
        self._pool.shutdown(wait=not self.is_busy, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()

    def _is_ready(self, row: Row) -> bool:
        """Return True if all that a row needs is there.

        Raises:
            Exception: It will never be there.
        """
        if failed := sorted(self._failed & set(row.soup)):
            raise FitError(f"it averages {', '.join(failed)}, which failed.")
        if row.soup:
            coming = self._done.union(each.name for each in [*self._waiting, *self._running.values()])
            if absent := sorted(set(row.soup) - coming):
                raise FitError(f"it averages {', '.join(absent)}, which has no results: add it to --only.")
            return set(row.soup) <= self._done
        mining = self._mined.get(pairs_file(self._folder, row.configuration)) if _mines(row) else None
        if mining is not None and mining.done():
            mining.result()
        return mining is None or mining.done()

    def _fail(self, row: Row, error: BaseException) -> None:
        self._failed.add(row.name)
        log_progress(f"row {row.name} failed: {''.join(traceback.format_exception(error))}")


def _mines(row: Row) -> bool:
    return row.train and not isinstance(row.configuration.mine, NoMining)


def digest(row: Row) -> str:
    """Return the SHA-256 of a row, by which its results are known to be of its present configuration."""
    return hashlib.sha256(msgspec.json.encode(row)).hexdigest()


def pairs_file(folder: Path, configuration: Configuration) -> Path:
    """Return the file of the pairs that a configuration trains on; it exists only after `mine`."""
    if isinstance(configuration.mine, NoMining):
        return folder / PAIRS
    settings = msgspec.json.encode([configuration.mine, configuration.pairs, configuration.seed, configuration.model])
    return folder / f"pairs-{hashlib.sha256(settings).hexdigest()[:12]}.jsonl"


def mine(folder: Path, configuration: Configuration) -> None:
    """Write the pairs of a configuration with hard negatives.

    Raises:
        ConfigurationError: The configuration mines with `mine=negatives`.
    """
    from training.data.hybrid_negatives import write_negatives
    from training.fit import models

    if isinstance(configuration.mine, NegativesConfig):
        raise ConfigurationError("an ablation mines with mine=hybrid, mine=neighbours or not at all.")
    target = pairs_file(folder, configuration)
    device = models.choose_device(configuration.trainer.device)
    model = models.load(configuration.model, device)
    selected = folder / f"{target.stem}.selected"
    _select(folder / PAIRS, selected, configuration)
    with models.autocast(models.choose_precision(configuration.trainer.precision, device), device):
        part = target.with_suffix(".part")
        if isinstance(configuration.mine, NeighboursConfig):
            # A machine without Hydra can run all other rows.
            from training.pipeline.stages.mine import order_in_blocks

            order_in_blocks(selected, part, configuration.mine, model, configuration.seed)
        elif isinstance(configuration.mine, HybridNegativesConfig):
            write_negatives(selected, part, configuration.mine, model, configuration.seed)
    part.rename(target)


def run_row(folder: Path, row: Row, shares: Sequence[float], tokens: int | None = None) -> list[dict[str, Any]]:
    """Train a row, measure it with each share of the base, and return the results.

    Args:
        folder: folder of the ablation.
        row: row to run.
        shares: shares of the base's weights.
        tokens: tokens of a text that are read in measuring; None reads as many as are served.
    """
    import torch

    from training.fit import models
    from training.fit.fine_tune import Task, average, fine_tune

    own = folder / ROWS / row.name
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    figures: dict[str, Any] = {}
    configuration = row.configuration
    if row.train:
        pairs = pairs_file(folder, configuration)
        if pairs == folder / PAIRS:
            pairs = own / PAIRS
            _select(folder / PAIRS, pairs, configuration)
        figures = fine_tune(
            Task(
                name=MODEL,
                folder=own,
                pairs=pairs,
                validation=(),
                digest=hashlib.sha256(msgspec.json.encode(configuration)).hexdigest(),
                seed=configuration.seed,
                model=configuration.model,
                loss=configuration.loss,
                kind_losses=configuration.losses,
                matryoshka=configuration.matryoshka,
                trainer=configuration.trainer,
                labelled=False,
                keep_blocks=isinstance(configuration.mine, NeighboursConfig),
                teacher_store=folder / "teacher-vectors",
            )
        )
        shutil.rmtree(own / "cache", ignore_errors=True)
        shutil.rmtree(own / "checkpoints", ignore_errors=True)
    device = models.choose_device(configuration.trainer.device)
    base = models.load(configuration.model, device)
    model = models.load_unchanged(str(own / MODEL), "row", device) if row.train else copy.deepcopy(base)
    if row.soup:
        _average(model, [folder / ROWS / name / MODEL for name in row.soup], device)
    if not row.train:
        # A later soup may average it.
        model.save(str(own / MODEL))
    model.max_seq_length = tokens or model.max_seq_length
    trained = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    results = []
    for share in shares if row.train or row.soup else (0.0,):
        model.load_state_dict(trained)
        if share:
            average(model, base, share)
        precision = models.choose_precision(configuration.trainer.precision, device)
        with models.autocast(precision, device), torch.inference_mode():
            measured = _measure(model, folder, own, share)
        about = {"row": row.name, "digest": digest(row), "base_share": share, "tokens": tokens}
        results.append({**about, **measured, **_short(figures)})
    log_progress(f"row {row.name} is done")
    return results


def read_results(folder: Path) -> list[dict[str, Any]]:
    """Return the results so far."""
    path = folder / RESULTS
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def values_file(folder: Path, share: float) -> Path:
    """Return the file of the values of each query, in the folder of a row, for a share of the base."""
    return folder / f"values-{share:g}.npz"


def _measure(model: Any, folder: Path, own: Path, share: float) -> dict[str, Any]:
    from training.ablation.measure import measure

    started = time.perf_counter()
    values: dict[str, Any] = {
        f"{name}|{mode}|{metric}": found
        for name, mode, metric, found in measure(
            model, _read_sets(folder), batch_size=_MEASURED_AT_ONCE[model.device.type]
        )
    }
    np.savez_compressed(values_file(own, share), **{name: found.astype(np.float32) for name, found in values.items()})
    means = {name: round(float(found.mean()), 5) for name, found in values.items()}
    return {"means": means, "measured_in_seconds": round(time.perf_counter() - started, 1)}


@functools.cache
def _read_sets(folder: Path) -> list[Any]:
    from training.ablation.measure import read_sets

    return read_sets(folder / SETS)


def _average(model: Any, folders: Sequence[Path], device: str) -> None:
    """Give a model the mean of the weights of several models."""
    from training.fit import models

    states = [models.load_unchanged(str(folder), "row", device).state_dict() for folder in folders]
    mean = {
        name: sum(state[name].float() for state in states) / len(states) if first.is_floating_point() else first
        for name, first in states[0].items()
    }
    model.load_state_dict(mean)


def _short(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: figures[name] for name in ("steps", "seconds", "precision") if name in figures}


def _select(source: Path, target: Path, configuration: Configuration) -> None:
    """Write the pairs of the kinds of a configuration: at most `pairs.most`, divided by their shares."""
    shares = configuration.pairs.shares
    most, total = configuration.pairs.most, sum(shares.values())
    left: dict[str, int] = {
        kind: int(most * share / total) if most else sys.maxsize for kind, share in shares.items() if share
    }
    kind_of = msgspec.json.Decoder(dict[str, Any])
    with source.open("rb") as pairs, target.open("wb") as file:
        for line in pairs:
            kind = kind_of.decode(line)["kind"]
            if left.get(kind, 0) > 0:
                left[kind] -= 1
                file.write(line)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.ablation.run", description="Train and measure the rows of an ablation."
    )
    parser.add_argument("folder", type=Path, help="folder with rows.json, pairs.jsonl and sets/")
    parser.add_argument("--minutes", type=float, default=60, help="start no row after this time, and end what runs")
    parser.add_argument("--workers", type=int, default=1, help="rows to train at once on the one device")
    parser.add_argument("--tokens", type=int, help="tokens of a text to measure with; by default as many as are served")
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", help="names of rows to run; by default all")
    parser.add_argument(
        "--shares", type=float, nargs="+", default=list(BASE_SHARES), help="shares of the base's weights to measure"
    )
    return parser


if __name__ == "__main__":
    # The processes of the rows end with this one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
