"""Make the first version of the encoder if none is promoted; a container runs this before Triton starts.

Usage: python -m training.registry.first --repository DIR --corpora DIR [--source MODEL]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from akin.papers import PapersError, fetch_sample
from training.progress import log_progress
from training.registry import export, publish


def main(arguments: Sequence[str] | None = None) -> int:
    """Export a version unless one is promoted; return 0 for success and 1 for an error, which is printed."""
    options = _parser().parse_args(arguments)
    pointer: Path = options.repository / publish.TEXT_ENCODER / publish.POINTER
    try:
        if pointer.is_file():
            log_progress(f"export: version {pointer.read_text().strip()} of {publish.TEXT_ENCODER} serves already")
            return 0
        calibration = fetch_sample(options.corpora)
    except OSError as error:
        log_progress(f"export: cannot use {error.filename}: {error.strerror}.")
        return 1
    except PapersError as error:
        log_progress(f"export: {error}")
        return 1
    command = ["--repository", str(options.repository), "--calibration", str(calibration)]
    return export.main([*command, "--source", options.source] if options.source else command)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.registry.first",
        description="Make the first version of the encoder, calibrated with the sample papers. Do nothing if a version "
        "is promoted already.",
    )
    parser.add_argument("--repository", metavar="DIR", type=Path, required=True, help="Triton's model repository")
    parser.add_argument(
        "--corpora", metavar="DIR", type=Path, required=True, help="folder that keeps the sample papers"
    )
    parser.add_argument("--source", metavar="MODEL", help="a model's name, folder or hub id (default: akin-minilm-l6)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
