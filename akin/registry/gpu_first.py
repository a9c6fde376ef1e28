"""Prepare the promoted encoder for a GPU, once: `python -m akin.registry.gpu_first`.

A container runs this once, before the Triton of `akin.stack.foreground` starts. It needs the training environment and
none of the command line's libraries.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from akin.errors import AkinError, BadSetting, PapersUnusable
from akin.registry import gpu
from akin.registry.versions import Version, promoted_version
from akin.settings import Settings
from akin.stack.wait import wait_for
from papers import PapersError, fetch_sample
from settings import ComposeSettings, SettingsError


def main() -> int:
    """Makes it; 0 is success, anything else comes with a line that says what kept it from that."""
    try:
        settings = Settings.read()
        runtime = gpu_runtime()
        version = wait_for("an encoder", lambda: promoted_version(settings.repository), settings.wait_seconds, say)
        made = find_made(settings.repository, version, runtime)
        if made:
            # The configuration belongs to all versions: it is to be the one of this version, whichever was made last.
            gpu.write(settings.repository, made, runtime)
            say(f"version {version.number} of {gpu.INNER_MODEL} is there already, for {runtime}")
            return 0
        made, _ = gpu.make(settings, version.number, runtime, sample(settings))
    except AkinError as error:
        say(str(error))
        return error.exit_code
    except PapersError as error:
        say(str(error))
        return PapersUnusable.exit_code
    cosine = made["parity"]["mean_cosine"]
    say(f"version {version.number} of {gpu.INNER_MODEL} is made, for {runtime} (mean cosine to FP32 {cosine:.5f})")
    return 0


def find_made(repository: Path, version: Version, runtime: str) -> dict[str, Any] | None:
    """Return what `training.compression.gpu` recorded for this encoder and runtime; None if it made nothing."""
    try:
        made: dict[str, Any] = json.loads(
            (repository / gpu.INNER_MODEL / str(version.number) / "made.json").read_bytes()
        )
    except (OSError, ValueError):
        return None
    return made if (made.get("digest"), made.get("runtime")) == (version.digest, runtime) else None


def gpu_runtime() -> str:
    """Return how the encoder is to run. A plan is no choice: to build one takes the GPU (deploy/tensorrt/build-plan).

    Raises:
        BadSetting: `AKIN_GPU_RUNTIME` is something else.
    """
    try:
        return ComposeSettings.read().gpu_runtime
    except SettingsError as error:
        raise BadSetting(str(error)) from None


def sample(settings: Settings) -> Path:
    """The papers that parity is measured on.

    Raises:
        PapersError: They cannot be fetched.
        PapersUnusable: There is no right or room to keep them.
    """
    folder = settings.data / "corpora"
    try:
        return fetch_sample(folder)
    except OSError as error:
        raise PapersUnusable(
            f"cannot write {error.filename or folder}: {error.strerror}. AKIN_DATA moves it."
        ) from error


def say(message: str) -> None:
    """A line for the log of whoever started this."""
    print(f"gpu: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
