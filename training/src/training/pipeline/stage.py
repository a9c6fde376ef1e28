"""Run one stage, as DVC and torchrun do: `python -m training.pipeline.stage NAME --folder DIR [OVERRIDES …]`.

The stage `compose` makes the run's folder from the configuration; the other stages work in an existing folder.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from akin.storage.digest import file_digest
from training.errors import ConfigurationError, TrainingError
from training.pipeline import preflight, run_folder
from training.pipeline.composition import compose, set_default_paths
from training.pipeline.configuration import Configuration
from training.pipeline.run_folder import NEEDS, STAGES, read_part
from training.pipeline.stages import load_stage
from training.progress import log_progress

COMPOSE = "compose"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Return 0 on success, 1 if it was refused with a message, 2 for a wrong argument."""
    parser = argparse.ArgumentParser(prog="python -m training.pipeline.stage", description=__doc__)
    parser.add_argument("name", choices=(COMPOSE, *STAGES))
    parser.add_argument("overrides", nargs="*", metavar="GROUP=NAME|KEY=VALUE", help="only for compose")
    parser.add_argument(
        "--renew",
        action="store_true",
        help="only for train: start anew, unless it was killed and configuration, pairs and code have not changed",
    )
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR", help="folder of the run")
    parser.add_argument(
        "--declared", type=Path, metavar="PATH", help="only for compose: refuse inputs that do not lie there"
    )
    options = parser.parse_intermixed_args(arguments)
    set_default_paths()
    with contextlib.redirect_stdout(sys.stderr):
        try:
            if options.name == COMPOSE:
                configuration = compose(options.overrides)
                preflight.check(configuration)
                inputs = digest_inputs(configuration)
                if options.declared:
                    require_declared(inputs, options.declared)
                run_folder.create_run(options.folder, configuration, inputs)
            else:
                run = run_folder.open_run(options.folder)
                if options.renew:
                    from training.pipeline.stages.train import remove_stale_output

                    remove_stale_output(run)
                load_stage(options.name)(run)
        except TrainingError as error:
            # Of several processes only the first one writes the message.
            if int(os.environ.get("RANK", "0")) == 0:
                log_progress(f"{options.name}: {error}")
            return 1
    return 0


def digest_inputs(configuration: Configuration) -> dict[str, dict[str, str]]:
    """Return the SHA-256 of each file or folder that the configuration names, by part and by its name there.

    With these digests DVC detects a changed corpus with an unchanged name. Names that are no paths (the
    sample, a packaged model, a hub id) are left out.

    Raises:
        ConfigurationError: A file cannot be read.
    """
    plain = msgspec.to_builtins(configuration)
    parts = {part for needed in NEEDS.values() for part in needed}
    found = {}
    for part in sorted(parts):
        paths = {text: Path(text).expanduser() for text in _texts(read_part(plain, part))}
        try:
            found[part] = {text: _digest(path) for text, path in paths.items() if path.exists()}
        except OSError as error:
            raise ConfigurationError(f"{part}: {error.filename} cannot be read: {error.strerror}.") from error
    return {part: named for part, named in found.items() if named}


def require_declared(inputs: Mapping[str, Mapping[str, str]], declared: Path) -> None:
    """Check that all inputs lie in a declared file or folder, whose changes DVC then detects.

    Raises:
        ConfigurationError: An input lies elsewhere.
    """
    for part, named in inputs.items():
        for text in named:
            path = Path(text).expanduser().resolve()
            if not path.is_relative_to(declared.resolve()):
                raise ConfigurationError(
                    f"{part}: {text} is no declared input: set `inputs` in training/configs/pipeline.yaml to it, or to "
                    f"a folder that has all inputs. Now it is {declared}."
                )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            # A kind is a word of the configuration, even if there is a folder of that name.
            yield from () if key == "kind" else _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _digest(path: Path) -> str:
    if path.is_file():
        return file_digest(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    listed = "".join(f"{file.relative_to(path)} {file_digest(file)}\n" for file in files)
    return hashlib.sha256(listed.encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
