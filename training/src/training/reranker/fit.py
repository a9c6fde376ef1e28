"""Train a reranker: `python -m training.reranker.fit --pairs FILE --output FOLDER [--model FOLDER] [--minutes M]`.

It starts from an encoder's weights: a bi-encoder becomes a cross-encoder with one output. It needs torch and
sentence-transformers only, so that it runs on a machine which has nothing else that this project needs. The same
command continues a training that was killed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from akin.storage.digest import file_digest
from akin.storage.durable import publish_file
from training.command import run_command
from training.errors import ConfigurationError, FitError, RunError, translate_write_errors
from training.progress import log_duration, log_progress
from training.reranker.groups import NO_TEXT, Groups, read_groups
from training.reranker.recipe import Recipe, add_recipe, recipe_of

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from training.reranker.model import Trained
    from training.reranker.pair_tokens import Pairs

RECORD = "training.json"
CHECKPOINT = "checkpoint.pt"
_WINDOW = 50
_LEAST_VALIDATION, _MOST_VALIDATION = 20, 1000


def fit(
    pairs: Path,
    output: Path,
    *,
    model: str | None = None,
    texts: Path | None = None,
    recipe: Recipe | None = None,
    device: Literal["auto", "cpu"] = "auto",
    rows: int | None = None,
    save_every: float = 300.0,
) -> dict[str, Any]:
    """Train, and save a CrossEncoder into `output`. A finished training of the same settings is not repeated.

    Args:
        pairs: file of groups.
        output: folder of the model; a checkpoint in it is continued.
        model: encoder to start from: a folder, a hub id, or None for the packaged default.
        texts: file of the passages, if the groups name them by number.
        recipe: settings; None is the default.
        device: `auto` is the GPU if there is one.
        rows: pairs that run at once, at most; None is 512 on a GPU and 32 on a CPU.
        save_every: seconds between two checkpoints.

    Returns:
        Origin of the model, settings, steps, seconds, and MRR on groups apart before and after the training.

    Raises:
        TrainingError: The groups, the model or the folder cannot be used, or the training is not finite.
    """
    recipe = recipe or Recipe()
    location, origin = _find(model)
    identity = {"pairs": _digest(pairs), "texts": texts and _digest(texts), "model": origin, **asdict(recipe)}
    with translate_write_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        record = output / RECORD
        if record.exists():
            known: dict[str, Any] = json.loads(record.read_bytes())
            if known["identity"] != identity:
                raise RunError(f"{output} holds another training. Remove it, or choose another folder.")
            if "after" in known:
                log_progress(f"{output} is trained already")
                return known
        with log_duration("reading groups"):
            groups = read_groups(pairs, texts=texts, negatives=recipe.negatives)
        _write(record, {"identity": identity})
        with log_duration("loading libraries and the model"):
            from training.reranker.model import load_trained

            trained = load_trained(
                location, max_length=recipe.max_length, device=device, seed=recipe.seed, dropout=recipe.dropout
            )
        with log_duration(f"tokenising {len(groups.texts)} passages and {len(groups)} queries"):
            made = trained.pairs(groups.queries, groups.texts)
        training = _Training(trained, groups, made, recipe, rows or (512 if trained.device == "cuda" else 32))
        figures = training.run(output / CHECKPOINT, save_every)
        with log_duration("saving"):
            trained.save(output)
        done = {"identity": identity, "groups": len(groups), "device": trained.device, **figures}
        _write(record, done)
        (output / CHECKPOINT).unlink(missing_ok=True)
    return done


class _Training:
    """One training: groups, the model with its optimiser, and how far it has come."""

    def __init__(self, trained: Trained, groups: Groups, pairs: Pairs, recipe: Recipe, rows: int) -> None:
        import torch

        self._trained, self._groups, self._pairs, self._recipe, self._rows = trained, groups, pairs, recipe, rows
        self._validation, self._train = _split(groups.papers, recipe.seed)
        self._batches = max(1, len(self._train) // recipe.batch_size)
        self.steps = max(1, int(self._batches * recipe.epochs))
        parameters = list(trained.network.parameters())
        self._optimizer = torch.optim.AdamW(
            [
                {"params": [each for each in parameters if each.ndim > 1], "weight_decay": recipe.weight_decay},
                {"params": [each for each in parameters if each.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=recipe.learning_rate,
            fused=trained.device == "cuda",
        )
        self._step, self._seconds = 0, 0.0

    def run(self, checkpoint: Path, save_every: float) -> dict[str, Any]:
        """Train until the steps or the time are used up, from the checkpoint if there is one, and return figures."""
        import torch

        before = self._evaluate() if not checkpoint.exists() else {}
        if checkpoint.exists():
            before = self._restore(checkpoint)
        log_progress(
            f"training on {len(self._train)} groups in {self._trained.precision} on {self._trained.device}: at most "
            f"{self.steps} steps" + (f", from step {self._step}" if self._step else "")
        )
        saved = logged = start = time.perf_counter()
        start -= self._seconds
        losses: list[torch.Tensor] = []
        self._trained.network.train()
        for batch in self._batch_order():
            self._seconds = time.perf_counter() - start
            progress = self._progress()
            if progress >= 1:
                break
            # The dropout of a step depends on the step alone, so that a continued training equals an unbroken one.
            torch.manual_seed(self._recipe.seed * 1_000_003 + self._step)
            losses.append(self._update(batch, progress))
            self._step += 1
            now = time.perf_counter()
            if now - logged > 10 or self._step == 1:
                self._log(losses, now - start)
                losses, logged = [], now
            if now - saved > save_every:
                self._seconds = now - start
                self._save(checkpoint, before)
                saved = time.perf_counter()
        if losses:
            self._log(losses, time.perf_counter() - start)
        self._seconds = time.perf_counter() - start
        after = self._evaluate()
        return {
            "steps": self._step,
            "seconds": round(self._seconds, 1),
            "precision": self._trained.precision,
            "search": self._search_order(),
            "before": before,
            "after": after,
        }

    def _progress(self) -> float:
        minutes = self._recipe.minutes
        return max(self._step / self.steps, self._seconds / (60 * minutes) if minutes else 0.0)

    def _batch_order(self) -> Iterator[NDArray[np.int64]]:
        """Yield the groups of each remaining step: batches of groups of similar length, in random order."""
        size, done = self._recipe.batch_size, self._step
        for epoch in range(done // self._batches, math.ceil(self.steps / self._batches)):
            rng = np.random.default_rng((self._recipe.seed, epoch))
            order = self._train[rng.permutation(len(self._train))]
            longest = self._lengths(order).max(axis=1)
            batches = []
            for begin in range(0, len(order), size * _WINDOW):
                window = slice(begin, begin + size * _WINDOW)
                near = order[window][np.argsort(longest[window], kind="stable")]
                batches += [near[at : at + size] for at in range(0, len(near), size)]
            # The last batch of the last window may be short.
            batches = [batch for batch in batches if len(batch) == size][: self._batches] or batches[:1]
            rng.shuffle(batches)
            yield from batches[done - epoch * self._batches if epoch == done // self._batches else 0 :]

    def _lengths(self, indexes: NDArray[np.int64]) -> NDArray[np.int64]:
        members = self._groups.members[indexes]
        ours, theirs = self._pairs.lengths(np.repeat(indexes[:, None], members.shape[1], axis=1), members)
        return np.where(members == NO_TEXT, 0, ours + theirs)

    def _update(self, batch: NDArray[np.int64], progress: float) -> torch.Tensor:
        import torch

        recipe = self._recipe
        rising = (progress + 1 / self.steps) / recipe.warmup if recipe.warmup else 1.0
        falling = (1 - progress) / (1 - recipe.warmup) if recipe.warmup < 1 else 1.0
        rate = recipe.learning_rate * min(rising, falling)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        loss = self._loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]  # it has no annotations
        torch.nn.utils.clip_grad_norm_(self._trained.network.parameters(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    def _scores(self, batch: NDArray[np.int64]) -> torch.Tensor:
        """Return the model's scores of the passages of some groups, float32 [groups, width], -inf where is none."""
        import torch

        members = self._groups.members[batch]
        group, column = np.nonzero(members != NO_TEXT)
        order = np.argsort(self._lengths(batch)[group, column], kind="stable")
        group, column = group[order], column[order]
        found = []
        for begin in range(0, len(order), self._rows):
            rows = slice(begin, begin + self._rows)
            found.append(self._trained.score(self._pairs.inputs(batch[group[rows]], members[group, column][rows])))
        scores = torch.full(members.shape, -torch.inf, device=self._trained.device)
        where = torch.from_numpy(np.stack([group, column])).to(self._trained.device)
        return scores.index_put((where[0], where[1]), torch.cat(found))

    def _loss(self, batch: NDArray[np.int64]) -> torch.Tensor:
        import torch
        from torch.nn import functional

        scores, recipe = self._scores(batch), self._recipe
        if recipe.loss == "bce":
            there = scores.isfinite()
            truth = torch.zeros_like(scores)
            truth[:, 0] = 1
            loss = functional.binary_cross_entropy_with_logits(scores[there], truth[there])
        else:
            loss = functional.cross_entropy(scores, torch.zeros(len(batch), dtype=torch.long, device=scores.device))
        if recipe.distil and self._groups.scores is not None:
            teacher = torch.from_numpy(self._groups.scores[batch]).to(scores.device) / recipe.temperature
            wanted = teacher.masked_fill(scores.isinf(), -torch.inf).softmax(dim=1)
            # No passage has no share: 0 times its log of 0 would not be a number.
            followed = -(wanted * scores.log_softmax(dim=1).masked_fill(scores.isinf(), 0)).sum(dim=1).mean()
            loss = (1 - recipe.distil) * loss + recipe.distil * followed
        return loss

    def _evaluate(self) -> dict[str, float]:
        """Return MRR and accuracy of the model on the groups apart; {} if there are too few groups for that."""
        import torch

        if not len(self._validation):
            return {}
        self._trained.network.eval()
        with torch.inference_mode():
            scores = [self._scores(self._validation[at : at + 64]) for at in range(0, len(self._validation), 64)]
        return _group_metrics(torch.cat(scores).cpu().numpy())

    def _search_order(self) -> dict[str, float]:
        """Return the same figures for the scores of the search, if the file has them."""
        if self._groups.scores is None or not len(self._validation):
            return {}
        there = self._groups.members[self._validation] != NO_TEXT
        return _group_metrics(np.where(there, self._groups.scores[self._validation], -np.inf))

    def _log(self, losses: list[torch.Tensor], seconds: float) -> None:
        mean = sum(float(loss) for loss in losses) / len(losses)
        if not math.isfinite(mean):
            raise FitError(f"the loss is {mean} at step {self._step}: give a smaller --learning-rate.")
        log_progress(f"step {self._step} of {self.steps}, {seconds:.0f} s: loss {mean:.4f}")

    def _save(self, path: Path, before: dict[str, float]) -> None:
        import torch

        aside = path.with_suffix(".tmp")
        state = {"network": self._trained.network.state_dict(), "optimizer": self._optimizer.state_dict()}
        torch.save({**state, "step": self._step, "seconds": self._seconds, "before": before}, aside)
        publish_file(aside, path)

    def _restore(self, path: Path) -> dict[str, float]:
        import torch

        state = torch.load(path, map_location=self._trained.device, weights_only=True)
        self._trained.network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._step, self._seconds = state["step"], state["seconds"]
        before: dict[str, float] = state["before"]
        return before


def _split(papers: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the groups to validate on and those to train on, in random order; no paper gives groups to both."""
    rng = np.random.default_rng(seed)
    count = min(max(len(papers) // 50, _LEAST_VALIDATION), _MOST_VALIDATION)
    sizes = np.bincount(papers)
    drawn = rng.permutation(len(sizes))
    # Whole papers, until their groups are enough; none if there are few groups.
    apart = drawn[: np.searchsorted(np.cumsum(sizes[drawn]), count) + 1] if count <= len(papers) // 10 else drawn[:0]
    order = rng.permutation(len(papers))
    validates = np.isin(papers[order], apart)
    return order[validates], order[~validates]


def _group_metrics(scores: NDArray[np.float32]) -> dict[str, float]:
    """Return MRR of the positive, which is the first column, and the share of groups in which it is the best.

    A passage with the positive's score counts as better.
    """
    ranks = 1 + (scores[:, 1:] >= scores[:, :1]).sum(axis=1)
    return {"MRR": round(float((1 / ranks).mean()), 4), "first": round(float((ranks == 1).mean()), 4)}


def _find(model: str | None) -> tuple[str, str]:
    """Return where a model is, and its origin for the record."""
    if model is not None and (folder := Path(model).expanduser()).is_dir():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        return str(folder), f"folder {folder.resolve().name}"
    # Imported for names only: it needs more packages than a machine with folders may have.
    from training.registry import source

    found = source.resolve(model)
    return found.location, found.origin


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(content, indent=2))
    publish_file(aside, path)


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace) -> str:
    done = fit(
        options.pairs,
        options.output,
        model=options.model,
        texts=options.texts,
        recipe=recipe_of(options),
        device=options.device,
        rows=options.rows,
        save_every=options.save_every,
    )
    return json.dumps(done)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.reranker.fit",
        description="Train a cross-encoder that starts from an encoder's weights. Print settings and figures as JSON.",
    )
    add = parser.add_argument
    add("--pairs", type=Path, required=True, help='JSON lines {"query", "positive", "negatives": [], "scores"?: []}')
    add("--texts", type=Path, help="JSON lines of texts; then the passages in --pairs are numbers of its lines, from 0")
    add("--output", type=Path, required=True, metavar="FOLDER", help="folder for the CrossEncoder")
    add("--model", metavar="MODEL", help="encoder to start from: folder or hub id (default: all-MiniLM-L6-v2)")
    add("--device", choices=("auto", "cpu"), default="auto", help="`auto` is the GPU if there is one")
    add("--negatives", type=int, help="negatives of a group to take, at most (default: all)")
    add("--seed", type=int, default=0, help="seed of every random choice (default: 0)")
    add("--rows", type=int, help="pairs that run at once (default: 512 on a GPU, 32 on a CPU)")
    add("--save-every", type=float, default=300.0, help="seconds between two checkpoints (default: %(default)s)")
    add_recipe(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
