"""Arguments and standard input that are not UTF-8."""

import sys
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from akin.cli import app, main
from akin.stack import local_http


class _Answer:
    is_error = False
    headers: ClassVar[dict[str, str]] = {}
    content = b"@misc{x}"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_ids_are_read_in_the_encodings_that_shells_write(encoding, monkeypatch):
    sent = []
    monkeypatch.setattr(local_http, "post", lambda url, body, timeout, headers: sent.append(body["ids"]) or _Answer())
    run = CliRunner().invoke(app, ["cite", "-"], input="2401.09004\r\nhep-th/9901997\r\n".encode(encoding))
    assert run.exit_code == 0
    assert sent == [["2401.09004", "hep-th/9901997"]]


def test_a_dash_as_output_is_standard_output(monkeypatch, tmp_path):
    monkeypatch.setattr(local_http, "post", lambda *_, **__: _Answer())
    monkeypatch.chdir(tmp_path)
    for asked in (["cite", "x", "--output", "-"], ["search", "x", "--export", "bibtex", "-o", "-"]):
        run = CliRunner().invoke(app, asked)
        assert run.exit_code == 0
        assert run.stdout == "@misc{x}"
    assert not list(tmp_path.iterdir())


def test_other_bytes_on_standard_input_are_an_error_with_the_next_step():
    run = CliRunner().invoke(app, ["cite", "-"], input=b"caf\xe9\n")
    assert run.exit_code == 2
    assert "standard input is not UTF-8" in run.output
    assert "iconv" in run.output


@pytest.mark.parametrize("command", [["search"], ["cite"], ["search", "--like"]])
def test_an_argument_that_is_not_utf_8_is_one_line_of_error(command, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["akin", *command, "caf\udce9"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith("akin: the argument 'caf\\udce9' is not text")
    assert printed.count("\n") == 1
