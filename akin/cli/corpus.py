"""What SOURCE means on the command line: a file, or the word `sample`."""

from __future__ import annotations

from pathlib import Path

from akin.cli.output import say
from akin.errors import PapersUnusable
from akin.settings import Settings
from papers import fetch_sample


def corpus_path(settings: Settings, source: str) -> Path:
    """The file that a SOURCE stands for; the sample is fetched the first time.

    Raises:
        PapersError: The sample cannot be fetched; the message says how to go on without it.
        PapersUnusable: There is no right or room to keep it.
    """
    if source != "sample":
        return Path(source).expanduser()
    folder = settings.data / "corpora"
    if not any(folder.glob("sample*")):
        say("fetching the sample papers (314 papers, 2 MB, once)")
    try:
        return fetch_sample(folder)
    except OSError as error:
        raise PapersUnusable(
            f"cannot write {error.filename or folder}: {error.strerror}. AKIN_DATA moves it."
        ) from error
