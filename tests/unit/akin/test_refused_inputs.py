"""Refuse inputs that no command can use, in words, before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from akin.cli import app
from akin.cli.corpus import corpus_path
from akin.errors import PapersUnusable
from akin.stack_settings import Settings


@pytest.mark.parametrize(
    "command",
    [
        ("drift", "report", "--every", "inf"),
        ("refresh", "--every", "inf"),
        ("refresh", "--every", "1e12"),
        ("refresh", "--pause", "inf"),
        ("papers", "fetch", "oai", "--pause", "inf"),
        ("index", "update", "oai", "--pause", "inf"),
    ],
)
def test_a_pause_longer_than_a_machine_can_wait_is_refused(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AKIN_DATA", str(tmp_path / "data"))
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2, done.output
    assert f"Invalid value for '{command[-2]}'" in done.output
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("address", ["https://example.org/papers.jsonl", "gs://shelf/papers.jsonl", "s3://shelf/x"])
def test_an_address_in_place_of_a_file_of_papers_is_named_whole(address: str, tmp_path: Path) -> None:
    settings = Settings.read({"AKIN_DATA": str(tmp_path)})
    with pytest.raises(PapersUnusable, match=f"^{address} is an address, .* akin papers fetch ADDRESS"):
        corpus_path(settings, address)
    with pytest.raises(PapersUnusable, match=r"^FTP://example\.org/papers is an address"):
        corpus_path(settings, "FTP://eva:word@example.org/papers")  # pragma: allowlist secret
    assert corpus_path(settings, "a:b.jsonl") == Path("a:b.jsonl")
