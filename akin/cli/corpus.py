"""Resolve SOURCE on the command line: a file, or the word `sample`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from akin.cli.output import say
from akin.errors import PapersUnusable

if TYPE_CHECKING:
    from akin.stack_settings import Settings


def corpus_path(settings: Settings, source: str) -> Path:
    """Return the file that SOURCE names; fetch the sample papers if SOURCE is `sample` and they are not there.

    Raises:
        PapersError: The sample cannot be fetched; the message names another way to get papers.
        PapersUnusable: The data folder cannot be written, or SOURCE is an address.
    """
    if re.match(r"[a-z0-9+]+://", source, re.IGNORECASE):
        from akin.settings.places import without_credentials

        raise PapersUnusable(
            f"{without_credentials(source)} is an address, and papers are read from a file: fetch it first, with akin "
            "papers fetch ADDRESS (https, gs or s3)"
        )
    if source != "sample":
        return Path(source).expanduser()
    from akin.sample import sample_folder, sample_path

    if not any(sample_folder(settings).glob("sample*")):
        say("fetching the sample papers (314 papers, 2 MB, once)")
    return sample_path(settings)
