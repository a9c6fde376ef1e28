"""The training room's commands, run in its own environment: serving never imports what they need."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from akin.errors import EncoderError, NotSetUp
from akin.settings import Settings


def in_training(settings: Settings, module: str, arguments: list[str], left: str) -> dict[str, Any]:
    """Runs a command of the training room in its own environment; its progress goes to standard error.

    Args:
        settings: where things are.
        module: of `training`, one that answers with an object on `--json`.
        arguments: for it; paths as they are to be found from here.
        left: what a failure leaves behind, in words.

    Returns:
        Its answer.

    Raises:
        NotSetUp: There is no training environment.
        EncoderError: It failed or refused; its own last line says why.
    """
    if not settings.training_python.exists():
        raise NotSetUp(f"no training environment at {settings.training_python}: run `make setup`.")
    # -P: a folder `training` of one's own, where one happens to be, is not ours.
    command = [str(settings.training_python), "-P", "-m", f"training.{module}", "--json", *arguments]
    environment = {
        **os.environ,
        "PYTHONPATH": "",
        "PATH": f"{settings.training_python.parent}:{os.environ.get('PATH', '')}",
    }
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if done.returncode:
        command_name = module.rpartition(".")[2]
        raise EncoderError(f"the {command_name} did not succeed (its reason is above); {left}.")
    result: dict[str, Any] = json.loads(done.stdout)
    return result
