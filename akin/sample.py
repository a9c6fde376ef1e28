"""Fetch the sample papers into the data folder."""

from __future__ import annotations

from pathlib import Path

from akin.errors import PapersUnusable
from akin.papers import fetch_sample
from akin.stack_settings import Settings


def sample_folder(settings: Settings) -> Path:
    """Return the folder of the sample papers."""
    return settings.data / "corpora"


def sample_path(settings: Settings) -> Path:
    """Return the file of sample papers; fetch it if it is not there.

    Raises:
        PapersError: The papers cannot be fetched; the message names another way to get them.
        PapersUnusable: The data folder cannot be written.
    """
    folder = sample_folder(settings)
    try:
        return fetch_sample(folder)
    except OSError as error:
        raise PapersUnusable(
            f"cannot write {error.filename or folder}: {error.strerror}. Set AKIN_DATA to another folder."
        ) from error
