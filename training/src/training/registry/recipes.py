"""Read the named recipes, `recipes.toml`: encoders with their prompts, dimensions, licence and published figures.

Usage: python -m training.registry.recipes [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec

from training.command import run_command

RECIPES_FILE = Path(__file__).with_name("recipes.toml")


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Published nDCG@10 by test collection; None where none was found."""

    scifact: float | None = None
    scidocs: float | None = None
    nfcorpus: float | None = None


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named encoder.

    Attributes:
        name: name for `akin encoder export --model`.
        hub: its id on the hub; that of its base, for an encoder that this project trained.
        parameters: millions of parameters.
        dim: length of its vectors.
        tokens: the most tokens of a text that it reads.
        licence: licence of its weights, as an SPDX identifier.
        choose: use for which it is a good choice.
        query: prompt of queries.
        passage: prompt of passages.
        pooling: pooling, for a model that was not saved by sentence-transformers.
        adapter: hub id of the adapter that belongs to it.
        abstract_as: `passage` if an abstract that looks for its neighbours is embedded as a passage; None for a query.
        dimensions: shorter lengths for which its vectors were trained (Matryoshka).
        figures: published figures.
        transformers: first release of transformers that has its architecture, if the training environment's has not.
        trained: file of weights in `trained/`, for an encoder that this project trained.
        note: fact that a user must know.
    """

    name: str
    hub: str
    parameters: float
    dim: int
    tokens: int
    licence: str
    choose: str
    query: str = ""
    passage: str = ""
    pooling: str | None = None
    adapter: str | None = None
    abstract_as: str | None = None
    dimensions: tuple[int, ...] = ()
    figures: Figures = Figures()
    transformers: int | None = None
    trained: str | None = None
    note: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    recipe: tuple[Recipe, ...]


@cache
def recipes() -> tuple[Recipe, ...]:
    """Return the named recipes, in the order of the file."""
    return msgspec.toml.decode(RECIPES_FILE.read_bytes(), type=_File).recipe


def find(name: str) -> Recipe | None:
    """Return the recipe with a name, in any case, or with a hub id; None if there is none."""
    wanted = name.casefold()
    return next(
        (each for each in recipes() if wanted in (each.name.casefold(), "" if each.trained else each.hub.casefold())),
        None,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.registry.recipes", description="List the named recipes.")
    parser.add_argument("--json", action="store_true", help="print them as JSON instead of their names")
    return run_command(parser, _list, arguments)


def _list(options: argparse.Namespace) -> str:
    if options.json:
        return json.dumps({"recipes": msgspec.to_builtins(recipes())}, ensure_ascii=False)
    return "\n".join(each.name for each in recipes())


if __name__ == "__main__":
    sys.exit(main())
