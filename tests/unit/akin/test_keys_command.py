from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from akin.cli import app
from akin.cli.asking import ask
from akin.errors import BadSetting, KeysError
from akin.keys import KeyFile, KeyRing
from akin.stack import local_http
from akin.stack_settings import Settings


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AKIN_DATA", str(tmp_path))
    monkeypatch.delenv("AKIN_KEYS", raising=False)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["keys", *words])


def test_a_key_is_made_shown_once_replaced_and_revoked(data: Path) -> None:
    made = run("create", "notebook", "--scopes", "search,embed", "--expires", "30", "--nprobe", "64", "--rate", "2.5")
    assert made.exit_code == 0, made.output
    text = made.stdout.strip()
    assert "AKIN_KEYS=on" in made.stderr
    ring = KeyRing(KeyFile(data / "keys.json"))
    key = ring.find(text)
    assert key is not None
    assert (key.name, key.scopes, key.nprobe, key.rate) == ("notebook", ("search", "embed"), 64, 2.5)

    listed = json.loads(run("list", "--json").stdout)
    assert [(each["name"], each["id"], each["expired"]) for each in listed] == [("notebook", key.id, False)]
    assert text not in run("list").output
    assert "notebook" in run("list").stdout

    second = json.loads(run("rotate", "notebook", "--overlap", "0", "--json").stdout)["key"]
    fresh = KeyRing(KeyFile(data / "keys.json"))
    assert fresh.find(text) is None
    assert fresh.find(second) is not None
    assert "notebook" in run("revoke", "notebook").stderr
    assert KeyRing(KeyFile(data / "keys.json")).find(second) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("list",), "akin keys create NAME"),
        (("revoke", "nobody"), "akin keys create NAME"),
        (("rotate", "nobody"), "akin keys create NAME"),
        (("create", "two words"), "no name of a key"),
        (("create", "a", "--scopes", "all"), "scopes are search, embed, admin"),
        (("create", "a", "--scopes", ","), "at least one"),
        (("create", "a", "--rate", "-1"), "rate"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(data: Path, words: tuple[str, ...], said: str) -> None:
    failed = run(*words)
    assert isinstance(failed.exception, KeysError)
    assert said in str(failed.exception)
    assert not (data / "keys.json").exists()


@pytest.mark.parametrize("command", ["revoke", "rotate"])
def test_a_name_that_no_key_has_is_said_and_changes_nothing(data: Path, command: str) -> None:
    assert run("create", "somebody").exit_code == 0
    before = (data / "keys.json").read_bytes()
    failed = run(command, "nobody")
    assert isinstance(failed.exception, KeysError)
    assert "no key nobody" in str(failed.exception)
    assert (data / "keys.json").read_bytes() == before


def test_another_file_may_be_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKIN_KEYS", str(data / "own" / "clients.json"))
    made = run("create", "a")
    assert made.exit_code == 0, made.output
    assert "AKIN_KEYS=on" not in made.stderr
    assert KeyRing(KeyFile(data / "own" / "clients.json")).find(made.stdout.strip()) is not None


def test_a_misspelt_word_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKIN_KEYS", "yes")
    failed = run("list")
    assert failed.exit_code != 0
    assert "AKIN_KEYS" in str(failed.exception)


def test_commands_send_the_key_of_the_environment_and_show_it_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(local_http, "get", lambda url, **more: asked.append(more["headers"]))
    monkeypatch.setattr(local_http, "post", lambda url, body, **more: asked.append(more["headers"]))
    ask("http://akin", "/corpus")
    monkeypatch.setenv("AKIN_API_KEY", "akin_secret")
    ask("http://akin", "/corpus")
    ask("http://akin", "/search", {"query": "a"})
    assert asked == [{}, *[{"Authorization": "Bearer akin_secret"}] * 2]
    settings = Settings.read()
    assert "akin_secret" not in repr(settings)
    # Processes that a command starts read the same settings.
    assert settings.environment["AKIN_API_KEY"] == "akin_secret"
    monkeypatch.setenv("AKIN_API_KEY", "two secret words")
    with pytest.raises(BadSetting, match="AKIN_API_KEY") as caught:
        Settings.read()
    assert "two secret" not in str(caught.value)
