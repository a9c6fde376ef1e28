"""One stage of a run, as DVC and torchrun call it: `python -m training.pipeline.stage NAME --folder DIR [OVERRIDES …]`.

The stage `compose` makes the run's folder from the configuration; every other takes the folder it finds.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from training.errors import TrainingError
from training.pipeline import inputs, preflight, run_folder
from training.pipeline.composition import compose, set_default_paths
from training.pipeline.run_folder import STAGES
from training.pipeline.stages import load_stage
from training.progress import log_progress

COMPOSE = "compose"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the stage; 0 is success, 1 a refusal in words on standard error, 2 a wrong argument."""
    parser = argparse.ArgumentParser(prog="python -m training.pipeline.stage", description=__doc__)
    parser.add_argument("name", choices=(COMPOSE, *STAGES))
    parser.add_argument("overrides", nargs="*", metavar="GROUP=NAME|KEY=VALUE", help="for compose")
    parser.add_argument(
        "--renew",
        action="store_true",
        help="for train: start anew, unless it was killed and configuration, pairs and code are what they were",
    )
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR", help="the run's folder")
    options = parser.parse_intermixed_args(arguments)
    set_default_paths()
    with contextlib.redirect_stdout(sys.stderr):
        try:
            if options.name == COMPOSE:
                configuration = compose(options.overrides)
                preflight.check(configuration)
                run_folder.create_run(options.folder, configuration, inputs.digest_inputs(configuration))
            else:
                run = run_folder.open_run(options.folder)
                if options.renew:
                    from training.pipeline.stages.train import renew

                    renew(run)
                load_stage(options.name)(run)
        except TrainingError as error:
            # Of several processes one speaks.
            if int(os.environ.get("RANK", "0")) == 0:
                log_progress(f"{options.name}: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
