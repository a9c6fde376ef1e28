"""Push bundles to a folder and to a bucket server, and fetch them: whole, checked, or refused in words."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from akin.bundles import (
    Bundle,
    FileRecord,
    NothingThere,
    Place,
    fetch_files,
    latest,
    parse_source,
    places,
    prune,
    push,
    read_bundle,
)
from akin.bundles.places import AlreadyThere
from akin.errors import BucketError
from tests.unit.bundles.bucket_server import BucketServer, bucket_server

BIG = bytes(range(256)) * (1 << 15)  # 8 MiB: sent in several parts, received in several


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketServer]:
    monkeypatch.setattr(places, "RETRIES", 2)
    with bucket_server() as running:
        monkeypatch.setenv("GOOGLE_BASE_URL", running.url)
        monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "a-token")
        yield running


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "bucket":
        request.getfixturevalue("server")
        return Place("gs://shelf/some/folder")
    (tmp_path / "shelf").mkdir()
    return Place(f"file://{tmp_path}/shelf")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Return files as a bundle has them, by their paths in it."""
    contents = {"a.txt": b"one", "deep/er/b.bin": BIG, "deep/same.txt": b"one", "empty": b""}
    found = {}
    for place, (path, content) in enumerate(contents.items()):
        found[path] = tmp_path / f"file{place}"
        found[path].write_bytes(content)
    return found


def below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_pushed_is_fetched(place: Place, files: dict[str, Path], tmp_path: Path) -> None:
    bundle = push(place, "snapshot", "first", files)
    assert read_bundle(place, kind="snapshot") == bundle
    fetch_files(place, bundle, tmp_path / "to")
    assert below(tmp_path / "to") == {path: file.read_bytes() for path, file in files.items()}
    # Equal files are one object.
    assert set(place.sizes("files")) == {hashlib.sha256(each).hexdigest() for each in (b"one", BIG, b"")}


def test_a_second_push_sends_what_is_new_and_the_first_bundle_stays(
    place: Place, files: dict[str, Path], tmp_path: Path
) -> None:
    first = push(place, "snapshot", "first", files)
    said: list[str] = []
    files["a.txt"].write_bytes(b"two")
    second = push(place, "snapshot", "second", files, said.append)
    assert said == [f"pushing 1 of 4 files to {place.address}"]
    assert latest(place) == second.digest != first.digest
    fetch_files(place, read_bundle(place, first.digest), tmp_path / "to", ["a.txt"])
    assert below(tmp_path / "to") == {"a.txt": b"one"}


def test_pruning_keeps_the_latest_and_those_that_are_named(
    place: Place, files: dict[str, Path], tmp_path: Path
) -> None:
    bundles = []
    for number in range(3):
        files["a.txt"].write_bytes(b"%d" % number)
        bundles.append(push(place, "snapshot", f"s{number}", files))
    assert prune(place, (bundles[0].digest,)) == 1
    for kept in (bundles[0], bundles[2]):
        fetch_files(place, read_bundle(place, kept.digest), tmp_path / kept.name)
    with pytest.raises(NothingThere):
        read_bundle(place, bundles[1].digest)
    assert hashlib.sha256(b"1").hexdigest() not in place.sizes("files")


def test_a_new_object_is_made_once(place: Place) -> None:
    place.write("runs/one/job.json", b"{}", new=True)
    with pytest.raises(AlreadyThere):
        place.write("runs/one/job.json", b"[]", new=True)
    assert place.read("runs/one/job.json") == b"{}"


def test_a_push_that_was_killed_before_its_end_is_not_seen(
    place: Place, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = push(place, "snapshot", "first", files)
    files["a.txt"].write_bytes(b"two")
    with monkeypatch.context() as patch:
        patch.setattr(Place, "write", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            push(place, "snapshot", "second", files)
    assert read_bundle(place) == first


def test_a_transfer_that_breaks_off_goes_on_where_it_was(
    server: BucketServer, files: dict[str, Path], tmp_path: Path
) -> None:
    place = Place("gs://shelf/x")
    bundle = push(place, "snapshot", "first", files)
    name = f"shelf/x/files/{hashlib.sha256(BIG).hexdigest()}"
    server.torn[name] = 2
    fetch_files(place, bundle, tmp_path / "to")
    assert (tmp_path / "to/deep/er/b.bin").read_bytes() == BIG
    assert server.torn[name] == 0
    server.torn[name] = 1000
    with pytest.raises(BucketError, match=r"gs://shelf/x/files/\w+ cannot be read"):
        fetch_files(place, bundle, tmp_path / "again")


@pytest.mark.parametrize("content", [b"One", b"on", b"one more"])
def test_another_content_than_the_digest_says_is_refused(
    place: Place, files: dict[str, Path], tmp_path: Path, content: bytes
) -> None:
    bundle = push(place, "snapshot", "first", files)
    place.write(f"files/{hashlib.sha256(b'one').hexdigest()}", content)
    with pytest.raises(BucketError, match=r"\(a\.txt\) is damaged: .*Push it again"):
        fetch_files(place, bundle, tmp_path / "to", ["a.txt"])


def test_a_bundle_that_lacks_a_file_is_refused(place: Place, files: dict[str, Path], tmp_path: Path) -> None:
    bundle = push(place, "snapshot", "first", files)
    place.delete([f"files/{hashlib.sha256(BIG).hexdigest()}"])
    with pytest.raises(BucketError, match=r"lacks the content of deep/er/b\.bin"):
        fetch_files(place, bundle, tmp_path / "to")


def test_another_description_than_its_name_says_is_refused(place: Place, files: dict[str, Path]) -> None:
    bundle = push(place, "snapshot", "first", files)
    place.write(f"bundles/{bundle.digest}.json", Bundle("snapshot", "other", bundle.files).encode())
    with pytest.raises(BucketError, match="its digest is another"):
        read_bundle(place)


def test_an_empty_bucket_and_a_pointer_to_nothing_are_told_apart(place: Place) -> None:
    with pytest.raises(NothingThere, match="nothing was pushed to"):
        read_bundle(place)
    place.write("LATEST", b"not a digest\n")
    with pytest.raises(BucketError, match="holds no digest"):
        read_bundle(place)
    place.write("LATEST", b"0" * 64)
    with pytest.raises(NothingThere, match="bundles/000"):
        read_bundle(place)


def test_a_full_disk_is_refused_before_the_transfer(
    server: BucketServer, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place("gs://shelf/x")
    bundle = push(place, "snapshot", "first", files)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 10_000_000))
    server.requests.clear()
    with pytest.raises(BucketError, match=r"snapshot first needs 9 MB, and .* has 10 MB free"):
        fetch_files(place, bundle, tmp_path / "to")
    assert server.requests == []


def test_a_disk_that_fills_up_meanwhile_is_named(
    place: Place, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = push(place, "snapshot", "first", files)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BucketError, match="No space left on device"):
        fetch_files(place, bundle, tmp_path / "to")


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (403, "job@p.example does not have storage.objects.get access", r"job@p\.example.*roles/storage\.objectViewer"),
        (401, "", r"credentials were refused: run `gcloud auth application-default login`"),
        (400, "bad", r"cannot be read: .*400"),
    ],
)
def test_refusals_of_the_bucket_name_what_to_do(server: BucketServer, status: int, text: str, said: str) -> None:
    server.refuse["GET"] = (status, text)
    with pytest.raises(BucketError, match=said):
        Place("gs://shelf/x").read("LATEST")


def test_no_right_to_write_names_the_role_for_it(server: BucketServer, files: dict[str, Path]) -> None:
    server.refuse["PUT"] = (403, "")
    with pytest.raises(BucketError, match=r"roles/storage\.objectUser on the bucket shelf"):
        push(Place("gs://shelf/x"), "snapshot", "first", {"a": files["a.txt"]})


def test_a_bucket_that_does_not_exist_is_named(server: BucketServer, files: dict[str, Path]) -> None:
    with pytest.raises(BucketError, match="bucket nowhere"):
        push(Place("gs://nowhere/x"), "snapshot", "first", files)


def test_credentials_that_do_not_exist_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GOOGLE_BEARER_TOKEN", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(BucketError, match=r"gs://shelf/x cannot be opened: .*none\.json"):
        Place("gs://shelf/x").read("LATEST")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "shelf/x",
        "ftp://shelf/x",
        "gs://",
        "gs://Shelf/x",
        "gs://-shelf-/x",
        "gs://ab/x",
        "gs://shelf/../other",
        "gs://shelf//x",
        "gs://shelf/x?token=1",
        "gs://name@shelf/x",
        "gs://shelf:443/x",
        "gs://she lf/x",
        "gs://shelf/x\n",
        "http://example.com/x",
        "https:///x",
        "file://host/x",
        "file://x",
        "gs://[::1/x",
    ],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(BucketError):
        Place(address)


@pytest.mark.parametrize(
    "path", ["../out", "/etc/passwd", "a/../../b", "a//b", "", "C:x", "a\\b", "a/\0", "a\nb", ".", "x/.", "a" * 1001]
)
def test_a_path_that_leaves_its_folder_is_refused(path: str, tmp_path: Path) -> None:
    content = Bundle("snapshot", "first", {path: FileRecord("0" * 64, 1)}).encode()
    with pytest.raises(BucketError, match="no description of a bundle"):
        Bundle.decode(content, "it")
    with pytest.raises(BucketError):
        push(Place(f"file://{tmp_path}"), "snapshot", "first", {path: Path(__file__)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"name": "../x"},
        {"name": 3},
        {"kind": None},
        {"files": []},
        {"files": {"a": {"sha256": "x", "bytes": 1}}},
        {"files": {"a": {"sha256": "0" * 64, "bytes": -1}}},
        {"files": {"a": {"sha256": "0" * 64, "bytes": True}}},
        {"files": {"a": {"sha256": "0" * 64, "bytes": 1}, "a/b": {"sha256": "0" * 64, "bytes": 1}}},
    ],
)
def test_a_description_that_is_none_is_refused(change: dict[str, object]) -> None:
    whole = json.loads(Bundle("snapshot", "first", {"a": FileRecord("0" * 64, 1)}).encode())
    Bundle.decode(json.dumps(whole).encode(), "it")
    with pytest.raises(BucketError, match=r"^it "):
        Bundle.decode(json.dumps({**whole, **change}).encode(), "it")
    for content in (b"", b"[]", b"{}", b"\xff", b"[" * 100_000):
        with pytest.raises(BucketError, match=r"^it "):
            Bundle.decode(content, "it")


def test_a_source_has_an_address_and_perhaps_a_digest() -> None:
    digest = "ab" * 32
    source = parse_source(f" gs://shelf/x/@{digest} ")
    assert (source.address, source.digest) == ("gs://shelf/x", digest)
    assert str(source) == f"gs://shelf/x@{digest}"
    with pytest.raises(BucketError, match=re.escape("after @")):
        parse_source("gs://shelf/x@latest")


def test_a_web_server_is_read_and_never_written(files: dict[str, Path], tmp_path: Path) -> None:
    with bucket_server("web") as running:
        (tmp_path / "shelf").mkdir()
        bundle = push(Place(f"file://{tmp_path}/shelf"), "snapshot", "first", files)
        for path, content in below(tmp_path / "shelf").items():
            running.objects[f"web/{path}"] = content
        place = Place(f"{running.url}/web")
        assert read_bundle(place) == bundle
        fetch_files(place, bundle, tmp_path / "to")
        assert below(tmp_path / "to") == {path: file.read_bytes() for path, file in files.items()}
        with pytest.raises(BucketError, match="not to a web server"):
            push(place, "snapshot", "second", files)
        assert {method for method, _ in running.requests} == {"GET"}
