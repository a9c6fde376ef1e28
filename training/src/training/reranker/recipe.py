"""Settings of a reranker's training, and their options."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Literal

from training.errors import ConfigurationError

Loss = Literal["listwise", "bce"]


@dataclass(frozen=True)
class Recipe:
    """Settings that decide the weights.

    Attributes:
        epochs: passes through the groups, at most.
        minutes: time of the steps, at most; None has no limit. The learning rate ends at 0 at whichever limit is first.
        batch_size: groups in a step.
        learning_rate: highest learning rate.
        warmup: share of the training in which the learning rate rises.
        weight_decay: weight decay of matrices.
        max_length: tokens of a pair.
        dropout: dropout of all layers; None is the model's own.
        loss: `listwise` compares the positive with its negatives (softmax cross-entropy), `bce` takes pairs one by one.
        distil: share of the loss that follows the scores of the search instead of the label.
        temperature: temperature of these scores.
        negatives: most negatives of a group; None takes all.
        seed: seed of every random choice.
    """

    epochs: float = 1.0
    minutes: float | None = None
    batch_size: int = 128
    learning_rate: float = 2e-4
    warmup: float = 0.05
    weight_decay: float = 0.01
    max_length: int = 192
    dropout: float | None = None
    loss: Loss = "listwise"
    distil: float = 0.0
    temperature: float = 0.1
    negatives: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no training can have.

        Raises:
            ConfigurationError: A value is out of its range.
        """
        shares = {"warmup": self.warmup, "distil": self.distil, "dropout": self.dropout or 0.0}
        above = {"epochs": self.epochs, "batch-size": self.batch_size, "learning-rate": self.learning_rate}
        above |= {"temperature": self.temperature, "max-length": self.max_length}
        above |= {} if self.minutes is None else {"minutes": self.minutes}
        above |= {} if self.negatives is None else {"negatives": self.negatives}
        # The conditions are negated so that NaN is refused too.
        for name, value in shares.items():
            if not 0 <= value <= 1:
                raise ConfigurationError(f"--{name} {value} is no share: give a number from 0 to 1.")
        for name, value in above.items():
            if not value > 0:
                raise ConfigurationError(f"--{name} {value} cannot be used: give a number above 0.")


def recipe_of(options: argparse.Namespace) -> Recipe:
    """Return the recipe that options describe."""
    return Recipe(**{name: vars(options)[name] for name in Recipe.__dataclass_fields__})


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Add the options of the recipe, except those of the model, the negatives and the seed."""
    default, add = Recipe(), parser.add_argument
    add("--minutes", type=float, help="time to train, at most (default: no limit)")
    add("--epochs", type=float, default=default.epochs, help="passes through the groups, at most (default: 1)")
    add("--batch-size", type=int, default=default.batch_size, help="groups in a step (default: %(default)s)")
    add("--learning-rate", type=float, default=default.learning_rate, help="highest one (default: %(default)s)")
    add("--warmup", type=float, default=default.warmup, help="share in which it rises (default: %(default)s)")
    add("--weight-decay", type=float, default=default.weight_decay, help="of matrices (default: %(default)s)")
    add("--max-length", type=int, default=default.max_length, help="tokens of a pair (default: %(default)s)")
    add("--dropout", type=float, help="dropout of all layers (default: the model's own)")
    add("--loss", choices=("listwise", "bce"), default=default.loss, help="(default: %(default)s)")
    add("--distil", type=float, default=default.distil, help="share of the loss that follows `scores` (default: 0)")
    add("--temperature", type=float, default=default.temperature, help="of these scores (default: %(default)s)")
