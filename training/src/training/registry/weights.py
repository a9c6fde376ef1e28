"""Weights that this project trained, kept as differences from the packaged model in eight bits.

A fine-tuned weight differs from its base by a hundredth, so a difference in eight bits is exact to a ten-thousandth of
the weight, and the file has a quarter of the size. `python -m training.registry.weights FOLDER FILE` writes one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from akin.storage.digest import file_digest
from training.command import run_command
from training.errors import SourceError

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = Path(__file__).with_name("trained")
MODEL_FILE = "model.safetensors"
_STEPS, _SCALES, _EXACT, _BASE = "steps.", "scales.", "exact.", "base_sha256"


def compress(tensors: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the differences of weights from their base: matrices as int8 with a scale for each row, vectors exactly.

    Raises:
        SourceError: The base has other weights.
    """
    import torch

    if {name: each.shape for name, each in tensors.items()} != {name: each.shape for name, each in base.items()}:
        raise SourceError("the model and the packaged one have different weights, so there are no differences to keep.")
    kept: dict[str, Tensor] = {}
    for name, trained in tensors.items():
        if not trained.is_floating_point():
            continue
        difference = trained.float() - base[name].float()
        if difference.ndim < 2:
            kept[_EXACT + name] = difference
            continue
        scale = (difference.abs().amax(dim=1, keepdim=True) / 127).clamp(min=torch.finfo(torch.float32).tiny)
        kept[_STEPS + name] = (difference / scale).round().to(torch.int8)
        kept[_SCALES + name] = scale
    return kept


def expand(kept: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights that `compress` was given, in FP32."""
    weights = {}
    for name, each in base.items():
        if _EXACT + name in kept:
            weights[name] = each.float() + kept[_EXACT + name]
        elif _STEPS + name in kept:
            weights[name] = each.float() + kept[_STEPS + name].float() * kept[_SCALES + name]
        else:
            weights[name] = each
    return weights


def write_model(file: Path, base: Path, folder: Path) -> None:
    """Write the model of a file of differences into a folder, as sentence-transformers saves it.

    Args:
        file: differences that `main` wrote.
        base: folder of the model that they are differences from.
        folder: folder to write; its parent exists.

    Raises:
        SourceError: A file cannot be read or written, or the base is another model.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file, save_file

    try:
        with safe_open(file, framework="pt") as opened:
            about = opened.metadata() or {}
        if about.get(_BASE) != file_digest(base / MODEL_FILE):
            raise SourceError(f"{file.name} belongs to another base than {base.name}. Run `make setup` again.")
        weights = expand(load_file(file), load_file(base / MODEL_FILE))
        shutil.copytree(base, folder)
        (folder / MODEL_FILE).unlink()
        save_file(weights, folder / MODEL_FILE, metadata={"format": "pt"})
    except (OSError, SafetensorError) as error:
        raise SourceError(f"{file} cannot be read: {error}. Check the clone out again.") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m training.registry.weights", description="Keep a trained model as differences from its base."
    )
    parser.add_argument("model", type=Path, help="folder of the trained model")
    parser.add_argument("file", type=Path, help="file to write")
    parser.add_argument("--base", type=Path, help="folder of its base (default: the packaged model)")
    parser.add_argument("--about", type=json.loads, default={}, help="JSON object to keep with it, such as the recipe")
    return run_command(parser, _write, arguments)


def _write(options: argparse.Namespace) -> str:
    from safetensors.torch import load_file, save_file

    from training.registry import source

    base = options.base or Path(source.resolve(None).location)
    about: dict[str, Any] = {_BASE: file_digest(base / MODEL_FILE), "about": json.dumps(options.about)}
    kept = compress(load_file(options.model / MODEL_FILE), load_file(base / MODEL_FILE))
    save_file(kept, options.file, metadata=about)
    return f"{options.file}: {options.file.stat().st_size:,} bytes"


if __name__ == "__main__":
    sys.exit(main())
