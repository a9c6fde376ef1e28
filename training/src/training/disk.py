"""A disk that cannot be written, told in words whichever library met it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.errors import RunError, TrainingError

# safetensors, torch and pyarrow write through code of their own, whose errors are no OSError but say one of these.
_SIGNS = ("no space left", "pytorchstreamwriter failed writing", "disk quota exceeded", "unexpected pos")


@contextmanager
def translate_write_errors(folder: Path) -> Iterator[None]:
    """Turns what libraries raise when they cannot write into a refusal.

    Args:
        folder: that is written into.

    Raises:
        RunError: Something could not be written.
    """
    try:
        yield
    except TrainingError:
        raise
    except OSError as error:
        raise RunError(f"cannot write {error.filename or folder}: {error.strerror or error}.") from error
    except Exception as error:
        if not any(sign in str(told).casefold() for told in _causes(error) for sign in _SIGNS):
            raise
        raise RunError(f"cannot write {folder}: no space left on the device. Make room and resume.") from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
