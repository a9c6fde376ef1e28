"""Prepare the promoted encoder for a GPU, once: `python -m akin.registry.gpu_first`.

A container runs this before the Triton of `akin.stack.foreground` starts. It needs the training environment and none of
the command line's libraries.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from akin.errors import AkinError, BadSetting, PapersUnusable
from akin.papers import PapersError
from akin.registry import gpu
from akin.registry.versions import Version, promoted_version
from akin.sample import sample_path
from akin.settings import ComposeSettings, SettingsError
from akin.stack.wait import wait_for
from akin.stack_settings import Settings


def main() -> int:
    """Make the GPU's files of the promoted encoder; return 0, or an exit code after a line that names the reason."""
    try:
        settings = Settings.read()
        runtime = gpu_runtime()
        version = wait_for("an encoder", lambda: promoted_version(settings.repository), settings.wait_seconds, log)
        made = find_existing_model(settings.repository, version, runtime)
        if made:
            # The configuration belongs to all versions: write it for this one, not for the version that was made last.
            gpu.write(settings.repository, made, runtime)
            log(f"version {version.number} of {gpu.INNER_MODEL} is already made, for {runtime}")
            return 0
        made, _ = gpu.export_gpu_model(settings, version.number, runtime, sample_path(settings))
    except AkinError as error:
        log(str(error))
        return error.exit_code
    except PapersError as error:
        log(str(error))
        return PapersUnusable.exit_code
    cosine = made["parity"]["mean_cosine"]
    log(f"version {version.number} of {gpu.INNER_MODEL} is made, for {runtime} (mean cosine to FP32 {cosine:.5f})")
    return 0


def find_existing_model(repository: Path, version: Version, runtime: str) -> dict[str, Any] | None:
    """Return what `training.compression.gpu` recorded for this encoder and runtime; None if it made nothing."""
    path = repository / gpu.INNER_MODEL / str(version.number) / "made.json"
    try:
        made: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return made if (made.get("digest"), made.get("runtime")) == (version.digest, runtime) else None


def gpu_runtime() -> str:
    """Return how the encoder runs on the GPU. A plan cannot be chosen: building one takes the GPU itself.

    Raises:
        BadSetting: `AKIN_GPU_RUNTIME` has another value.
    """
    try:
        return ComposeSettings.read().gpu_runtime
    except SettingsError as error:
        raise BadSetting(str(error)) from None


def log(message: str) -> None:
    """Write a line to the container's log."""
    print(f"gpu: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
