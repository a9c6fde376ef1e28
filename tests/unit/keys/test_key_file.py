from __future__ import annotations

import json
import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from akin.keys import KeyFile, KeysUnusable, NoSuchKey, digest_of, id_of
from akin.storage import durable

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Day:
    """A calendar that a test sets."""

    now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def day() -> Day:
    return Day()


@pytest.fixture
def file(tmp_path: Path, day: Day) -> KeyFile:
    return KeyFile(tmp_path / "sub" / "keys.json", day)


def test_the_file_has_hashes_only_and_belongs_to_its_user(file: KeyFile) -> None:
    key, text = file.create("notebook", ["search", "embed"], days=3, nprobe=64, rate=5)
    assert file.read() == (key,)
    stored = file.path.read_text()
    assert text not in stored
    assert text.rpartition("_")[2] not in stored
    assert digest_of(text) in stored
    assert (key.scopes, key.nprobe, key.rate, key.expires) == (("search", "embed"), 64, 5, NOON + timedelta(days=3))
    assert id_of(text) == key.id
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert len(text) == len("akin_12345678_") + 43


def test_two_keys_have_nothing_in_common(file: KeyFile) -> None:
    texts = [file.create(f"n{n}", ["search"])[1] for n in range(20)]
    assert len({text.rpartition("_")[2] for text in texts}) == len({id_of(text) for text in texts}) == 20


@pytest.mark.parametrize(
    ("name", "scopes", "more", "said"),
    [
        ("", ["search"], {}, "name"),
        ("two words", ["search"], {}, "name"),
        ("a\r\nX: 1", ["search"], {}, "name"),
        ("x" * 65, ["search"], {}, "name"),
        ("a", [], {}, "scopes are search, embed, admin"),
        ("a", ["search", "root"], {}, "root"),
        ("a", ["search"], {"nprobe": 1025}, "1024"),
        ("a", ["search"], {"rate": 0.0}, "rate"),
        ("a", ["search"], {"rate": float("nan")}, "rate"),
    ],
)
def test_values_out_of_bounds_are_refused(file: KeyFile, name: str, scopes: list[str], more: dict, said: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=said):
        file.create(name, scopes, **more)
    assert not file.path.exists()


def test_a_name_has_one_key_until_that_expires(file: KeyFile, day: Day) -> None:
    file.create("a", ["search"], days=1)
    with pytest.raises(KeysUnusable, match="akin keys rotate a"):
        file.create("a", ["search"])
    day.now += timedelta(days=1)
    file.create("a", ["search"])
    assert len(file.read()) == 2
    day.now += timedelta(days=31)
    file.create("b", ["search"])
    assert [key.name for key in file.read()] == ["a", "b"]


def test_a_replaced_key_keeps_its_rights_and_is_accepted_for_a_while(file: KeyFile, day: Day) -> None:
    first, _ = file.create("a", ["embed"], days=100, nprobe=8)
    second, text = file.rotate("a", timedelta(hours=24))
    former, newest = file.read()
    assert (second.scopes, second.nprobe, second.expires) == (first.scopes, first.nprobe, first.expires)
    assert newest == second
    assert newest.digest == digest_of(text) != former.digest
    assert former.expires == NOON + timedelta(hours=24)
    day.now += timedelta(hours=1)
    third, _ = file.rotate("a", timedelta(0))
    assert [key.expired(day.now.timestamp()) for key in file.read()] == [True, True, False]
    assert third.id == file.read()[-1].id


def test_revoking_takes_all_keys_of_a_name_or_the_one_of_an_id(file: KeyFile) -> None:
    first, _ = file.create("a", ["search"])
    second, _ = file.rotate("a", timedelta(hours=1))
    file.create("b", ["search"])
    assert [key.id for key in file.revoke(first.id)] == [first.id]
    assert [key.id for key in file.revoke("a")] == [second.id]
    assert [key.name for key in file.read()] == ["b"]
    with pytest.raises(NoSuchKey, match="akin keys list"):
        file.revoke("a")
    with pytest.raises(NoSuchKey):
        file.rotate("a", timedelta(0))


def test_without_a_file_nothing_is_made_by_a_change(file: KeyFile) -> None:
    with pytest.raises(KeysUnusable, match="akin keys create"):
        file.revoke("a")
    with pytest.raises(KeysUnusable, match="akin keys create"):
        file.rotate("a", timedelta(0))
    assert not file.path.parent.exists()


def damage(path: Path, how: str) -> None:
    """Make a file of keys unusable."""
    content = json.loads(path.read_text())
    if how == "cut":
        path.write_text(path.read_text()[:-9])
    elif how == "latin":
        path.write_bytes(b'{"keys": [], "x\xff": 1}')
    elif how == "unknown":
        path.write_text('{"keys": [], "open": true}')
    elif how == "later":
        path.write_text('{"keys": [], "version": 2}')
    elif how == "twice":
        path.write_text(json.dumps({"keys": content["keys"] * 2}))
    elif how == "digest":
        content["keys"][0]["digest"] = ""
        path.write_text(json.dumps(content))
    elif how == "zone":
        content["keys"][0]["expires"] = "2027-01-01T00:00:00"
        path.write_text(json.dumps(content))
    elif how == "large":
        path.write_bytes(b" " * (5 << 20))
    elif how == "open":
        path.chmod(0o666)
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "pipe":
        path.unlink()
        os.mkfifo(path, 0o600)
    elif how == "away":
        path.unlink()


HOWS = ["cut", "latin", "unknown", "later", "twice", "digest", "zone", "large", "open", "folder", "pipe", "away"]


@pytest.mark.parametrize("how", HOWS)
def test_a_file_that_is_none_is_named_with_the_reason(file: KeyFile, how: str) -> None:
    file.create("a", ["search"])
    damage(file.path, how)
    with pytest.raises(KeysUnusable, match=r"keys\.json"):
        file.read()


def test_nothing_is_written_over_a_damaged_file(file: KeyFile) -> None:
    file.create("a", ["search"])
    damage(file.path, "cut")
    before = file.path.read_bytes()
    with pytest.raises(KeysUnusable, match="damaged"):
        file.create("b", ["search"])
    assert file.path.read_bytes() == before


def test_a_failed_write_leaves_the_keys_as_they_were(file: KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.create("a", ["search"])
    before = file.path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", full)
    with pytest.raises(KeysUnusable, match="No space"):
        file.create("b", ["search"])
    assert file.path.read_bytes() == before
    assert {each.name for each in file.path.parent.iterdir()} == {"keys.json", "keys.json.lock"}


def test_commands_at_the_same_time_lose_no_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"

    def work(number: int) -> None:
        # Each has a file object of its own, as each process has.
        KeyFile(path).create(f"n{number}", ["search"])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in KeyFile(path).read()} == {f"n{number}" for number in range(12)}
