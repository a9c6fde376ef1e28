"""Run commands of the training room in its own environment, as serving never imports what they need."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from akin.errors import EncoderError, NotSetUp
from akin.installation import IS_CLONE
from akin.stack_settings import Settings


def run_in_training(settings: Settings, module: str, arguments: list[str], left: str) -> dict[str, Any]:
    """Run a command of the training room in its own environment; its progress goes to standard error.

    Args:
        settings: Where the training environment is.
        module: Module of `training` that prints an object with `--json`.
        arguments: Arguments of the command; relative paths count from the current folder.
        left: Words for the error message: the state that a failure leaves behind.

    Returns:
        The object that the command prints.

    Raises:
        NotSetUp: There is no training environment.
        EncoderError: The command failed or refused; its last line of output names the reason.
    """
    if not settings.training_python.exists():
        advice = (
            "run `make setup`"
            if IS_CLONE
            else (
                "this command needs a clone of the repository, in which `make setup` makes it; "
                "AKIN_TRAINING_PYTHON names its Python"
            )
        )
        raise NotSetUp(f"no training environment at {settings.training_python}: {advice}.")
    # -P keeps a folder named `training` in the current folder from being imported instead.
    command = [str(settings.training_python), "-P", "-m", f"training.{module}", "--json", *arguments]
    environment = {
        **os.environ,
        "PYTHONPATH": "",
        "PATH": f"{settings.training_python.parent}:{os.environ.get('PATH', '')}",
    }
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if done.returncode:
        command_name = module.rpartition(".")[2]
        raise EncoderError(f"the {command_name} failed (the reason is printed above); {left}.")
    result: dict[str, Any] = json.loads(done.stdout)
    return result
