"""Make candidates and train a reranker from papers: `akin train reranker papers=FILE minutes=30`.

The folder of a training holds `groups.jsonl` and `model/`; the same command with the same settings continues it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from akin.storage.durable import publish_file
from training.command import run_command
from training.errors import translate_write_errors
from training.progress import log_progress
from training.reranker import candidates
from training.reranker.fit import fit
from training.reranker.recipe import add_recipe, recipe_of

GROUPS, MODEL = "groups.jsonl", "model"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace) -> str:
    mining = candidates.mining_of(options)
    recipe = recipe_of(options)
    given = {
        name: str(value) for name, value in sorted(vars(options).items()) if name not in ("data", "json", "folder")
    }
    digest = hashlib.sha256(json.dumps(given).encode()).hexdigest()[:12]
    folder = options.folder or options.data / f"reranker-{digest}"
    groups = folder / GROUPS
    with translate_write_errors(folder):
        if groups.exists():
            log_progress(f"{groups} is there already")
        else:
            aside = groups.with_suffix(".tmp")
            candidates.write_groups(
                options.papers,
                aside,
                mining,
                mapping=options.map,
                most_papers=options.most_papers,
                model=options.model,
                device=options.device,
            )
            publish_file(aside, groups)
    done = fit(groups, folder / MODEL, model=options.model, recipe=recipe, device=options.device)
    return json.dumps({"folder": str((folder / MODEL).absolute()), **done})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.reranker.train",
        # A wrong key of `akin train reranker` ends in one line, without the list of all options before it.
        usage=argparse.SUPPRESS,
        description="Make candidates from papers and train a reranker on them.",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder for the training's own folder")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="the training's own folder (default: by settings)")
    parser.add_argument("--model", metavar="MODEL", help="encoder to start from, and to search with")
    parser.add_argument("--device", choices=("auto", "cpu"), default="auto", help="`auto` is the GPU if there is one")
    parser.add_argument("--seed", type=int, default=0, help="seed of every random choice (default: 0)")
    parser.add_argument("--negatives", type=int, default=7, help="negatives of each query (default: 7)")
    candidates.add_mining(parser)
    add_recipe(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON, which is done in any case")
    return parser


if __name__ == "__main__":
    sys.exit(main())
