"""Run a command of this package: arguments in, the result on standard output, progress and errors on standard error."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Sequence

from training.errors import TrainingError
from training.progress import log_progress


def run_command(
    parser: argparse.ArgumentParser,
    work: Callable[[argparse.Namespace], str],
    arguments: Sequence[str] | None,
    *,
    name: str | None = None,
) -> int:
    """Print the text that `work` returns, and return the exit status: 0 for success, 1 for a `TrainingError`.

    Args:
        parser: its `prog` ends with the module's name. It exits with 2 if an argument is wrong.
        work: takes the parsed arguments.
        arguments: None for those of the process.
        name: name of the command, which precedes an error's message; None for the module's name.
    """
    options = parser.parse_intermixed_args(arguments)
    # Some libraries print, but standard output must hold the result and nothing else.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            result = work(options)
        except TrainingError as error:
            log_progress(f"{name or parser.prog.rpartition('.')[2]}: {error}")
            return 1
    print(result)
    return 0
