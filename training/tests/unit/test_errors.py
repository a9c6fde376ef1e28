from pathlib import Path

import pytest

from training.errors import ConfigurationError, RunError, translate_write_errors


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device", "checkpoint"),
        RuntimeError(
            "[enforce fail at inline_container.cc:788] . PytorchStreamWriter failed writing file data/9: file"
        ),
        ValueError('Error while serializing: IoError(Os { code: 28, message: "No space left on device" })'),
    ],
)
def test_a_full_disk_is_a_run_error_for_every_library(error: Exception) -> None:
    with (
        pytest.raises(RunError, match=r"^cannot write .*(?i:no space left|writing)"),
        translate_write_errors(Path("run")),
    ):
        raise error


def test_the_cause_of_an_error_is_examined_too() -> None:
    def fail() -> None:
        try:
            raise OSError(28, "No space left on device")
        except OSError as error:
            raise ValueError("the table was not made") from error

    with pytest.raises(RunError, match="cannot write run"), translate_write_errors(Path("run")):
        fail()


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ConfigurationError("loss: no")])
def test_other_errors_are_not_translated(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)), translate_write_errors(Path("run")):
        raise error
