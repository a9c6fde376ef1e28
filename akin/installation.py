"""Tell where this code runs from, a clone or an installed wheel, and where its files lie by default."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The clone, or the folder that the wheel was installed into."""

IS_CLONE = (ROOT / "requirements" / "tritonserver.lock").is_file()

LOCKS = ROOT / "requirements" if IS_CLONE else Path(__file__).resolve().parent / "requirements"
"""Folder of `triton.lock` and `tritonserver.lock`; a wheel has copies of both."""

SETUP = "`make setup`" if IS_CLONE else "`akin setup`"
"""The command that provides what is missing, for error messages."""


def default_folder() -> Path:
    """Return the folder below which the default folders lie: the clone, or this user's folder for data of programs.

    Raises:
        ValueError: This user has no home folder.
    """
    if IS_CLONE:
        return ROOT
    # The specification of this variable ignores relative paths.
    if os.path.isabs(given := os.environ.get("XDG_DATA_HOME", "")):
        return Path(given) / "akin"
    try:
        home = Path.home()
    except RuntimeError as error:
        raise ValueError("there is no home folder: set AKIN_DATA to the folder for papers and indexes") from error
    return home / ("Library/Application Support" if sys.platform == "darwin" else ".local/share") / "akin"
