"""Publish editions to a store on a disk, and follow a channel on another machine: whole, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from akin import fleet
from akin.bundles import NothingThere, Place
from akin.cli import app
from akin.errors import BucketError, StackError
from akin.fleet import follower as following
from akin.fleet.edition import read_channels, read_edition, write_channel, write_edition
from akin.registry.versions import MODEL, folder_numbers, promoted_version, set_promoted_version
from akin.stack.record import Stack
from akin.stack_settings import Settings
from akin.storage.locks import hold_lock
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.corpus.manifest import EncoderRecord
from retrieval_service.latest_look import LOCK, RECORD, LatestLook, read_record
from tests.unit.published import published_manifest

FIRST, SECOND = "20260101T000000Z-aaaaaa", "20260102T000000Z-bbbbbb"
ENCODERS = {1: "a" * 64, 2: "b" * 64}


def quiet(_: str) -> None:
    pass


@pytest.fixture(autouse=True)
def _no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    # The snapshots here are no indices, so that none is opened.
    monkeypatch.setattr("retrieval_service.corpus.snapshot.verify_snapshot", lambda _: [])


@pytest.fixture
def store(tmp_path: Path) -> str:
    (tmp_path / "store").mkdir()
    return f"file://{tmp_path}/store"


def machine(folder: Path) -> Settings:
    return Settings.read({"AKIN_DATA": str(folder / "data"), "AKIN_MODEL_REPOSITORY": str(folder / "models")})


@pytest.fixture
def builder(tmp_path: Path) -> Settings:
    """Return a machine with a snapshot of the first encoder."""
    settings = machine(tmp_path / "builder")
    make(settings, 1, FIRST)
    return settings


@pytest.fixture
def replica(tmp_path: Path) -> Settings:
    return machine(tmp_path / "replica")


def make(settings: Settings, number: int, snapshot: str) -> None:
    """Make a version of the encoder, promote it, and make a snapshot with it."""
    folder = settings.repository / MODEL / str(number)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"digest": ENCODERS[number], "version": number}))
    (settings.repository / MODEL / "config.pbtxt").write_text('name: "text_encoder"\n')
    with (settings.repository / MODEL / "PROMOTIONS.jsonl").open("a") as history:
        history.write(f'{{"version": {number}}}\n')
    set_promoted_version(settings.repository, number)
    published_manifest(settings.data, snapshot, EncoderRecord(number, ENCODERS[number], 384))
    SnapshotDirectory(settings.data).use(snapshot)


def state(settings: Settings) -> tuple[str | None, int | None]:
    """Return the live snapshot and the promoted version."""
    number = promoted_version(settings.repository).number if settings.repository.exists() else None
    return SnapshotDirectory(settings.data).current(), number


def test_a_machine_takes_snapshot_and_encoder_of_a_channel(builder: Settings, replica: Settings, store: str) -> None:
    published = fleet.publish(builder, store, quiet)
    said: list[str] = []
    follower = fleet.Follower(replica, store, "live", said.append)
    assert follower.look() == published
    assert state(replica) == (FIRST, 1)
    assert said[-1].endswith("is here; `akin up` serves it")
    said.clear()
    assert follower.look() == published
    assert said == []


def test_it_goes_to_the_next_edition_and_back(builder: Settings, replica: Settings, store: str) -> None:
    first = fleet.publish(builder, store, quiet)
    follower = fleet.Follower(replica, store, "live", quiet)
    follower.look()
    make(builder, 2, SECOND)
    second = fleet.publish(builder, store, quiet)
    assert follower.look() == second != first
    assert state(replica) == (SECOND, 2)
    assert fleet.use(store, first.digest[:8], "live", quiet) == first
    follower.look()
    assert state(replica) == (FIRST, 1)
    # The promotions that are known stay known.
    assert (replica.repository / MODEL / "PROMOTIONS.jsonl").read_text().count("\n") == 2


def test_a_channel_is_tried_before_another_takes_its_edition(builder: Settings, replica: Settings, store: str) -> None:
    first = fleet.publish(builder, store, quiet)
    make(builder, 2, SECOND)
    second = fleet.publish(builder, store, quiet, channel="canary")
    assert read_channels(Place(store)) == {"live": first.digest, "canary": second.digest}
    fleet.Follower(replica, store, "live", quiet).look()
    assert state(replica) == (FIRST, 1)
    fleet.use(store, "canary", "live", quiet)
    fleet.Follower(replica, store, "live", quiet).look()
    assert state(replica) == (SECOND, 2)


def test_a_snapshot_of_another_encoder_is_no_pair(builder: Settings, store: str) -> None:
    first = fleet.publish(builder, store, quiet)
    make(builder, 2, SECOND)
    with pytest.raises(BucketError, match=r"made by encoder a{12}, and version 2 \(b{12}\) is promoted: they are no"):
        fleet.publish(builder, store, quiet, snapshot=FIRST)
    assert fleet.read_channel(Place(store), "live") == first


def test_a_publication_that_is_killed_changes_no_machine(
    builder: Settings, replica: Settings, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fleet.publish(builder, store, quiet)
    make(builder, 2, SECOND)
    with monkeypatch.context() as patch:
        patch.setattr("akin.fleet.publication.write_channel", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fleet.publish(builder, store, quiet)
    assert fleet.Follower(replica, store, "live", quiet).look() == first


def lose_files(store: Path) -> None:
    for file in (store / "snapshots/files").iterdir():
        file.unlink()


def change_a_file(store: Path) -> None:
    file = next(each for each in (store / "models/files").iterdir() if b"digest" in each.read_bytes())
    file.write_bytes(file.read_bytes().replace(b"b", b"c"))


def change_the_edition(store: Path) -> None:
    for file in (store / "editions").iterdir():
        file.write_bytes(file.read_bytes().replace(b"2026", b"2027"))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lose_files, "lacks the content of snapshot/manifest.json.* Push it again"),
        (change_a_file, "is damaged: its digest is another"),
        (change_the_edition, "is damaged: its digest is another. Publish again"),
        (lambda store: (store / "channels/live").write_text("latest"), r"holds no digest \('latest'\)"),
        (lambda store: (store / "channels/live").unlink(), "no channel 'live' .it has: none.*akin fleet publish"),
        (lambda store: (store / "channels/live").write_text("0" * 64), "no such file"),
    ],
)
def test_what_is_lost_or_damaged_in_the_store_is_refused_and_the_machine_stays(
    builder: Settings, replica: Settings, store: str, harm: Callable[[Path], object], message: str
) -> None:
    fleet.publish(builder, store, quiet)
    follower = fleet.Follower(replica, store, "live", quiet)
    follower.look()
    make(builder, 2, SECOND)
    fleet.publish(builder, store, quiet)
    harm(Path(store.removeprefix("file://")))
    with pytest.raises(BucketError, match=message):
        follower.look()
    assert state(replica) == (FIRST, 1)


def test_models_of_another_encoder_than_the_edition_says_are_not_served(
    builder: Settings, replica: Settings, store: str
) -> None:
    first = fleet.publish(builder, store, quiet)
    make(builder, 2, SECOND)
    second = fleet.publish(builder, store, quiet)
    wrong = fleet.Edition(
        snapshot=FIRST, snapshot_bundle=first.snapshot_bundle, models_bundle=second.models_bundle, version=1,
        encoder=first.encoder, published=first.published,
    )  # fmt: skip
    write_edition(Place(store), wrong)
    write_channel(Place(store), "live", wrong)
    with pytest.raises(BucketError, match=r"the bundle of models of edition .* is of encoder b{12}, not a{12}"):
        fleet.Follower(replica, store, "live", quiet).look()
    assert SnapshotDirectory(replica.data).current() is None


@pytest.mark.parametrize("name", ["", "Live", "../live", "a/b", "x" * 41, "-a"])
def test_names_of_channels_are_checked(replica: Settings, store: str, name: str) -> None:
    with pytest.raises(BucketError, match="is no name of a channel"):
        fleet.Follower(replica, store, name, quiet)


def test_an_edition_of_a_newer_release_is_not_guessed_at(store: str) -> None:
    content = b'{"format": 2, "everything": "new"}'
    place = Place(store)
    digest = sha256(content).hexdigest()
    place.write(f"editions/{digest}.json", content)
    with pytest.raises(BucketError, match="has format 2, and this release reads 1: update Akin"):
        read_edition(place, digest)


def test_an_unknown_edition_is_named_with_those_that_are_there(builder: Settings, store: str) -> None:
    first = fleet.publish(builder, store, quiet)
    for named in ("0" * 8, "a", "nothing", first.digest[:7]):
        with pytest.raises(
            BucketError, match=rf"no edition or channel '{named}' \(it has: live, {first.digest[:12]}\)"
        ):
            fleet.use(store, named, "live", quiet)


def test_one_edition_is_read_to_use_it(builder: Settings, store: str) -> None:
    first = fleet.publish(builder, store, quiet)
    make(builder, 2, SECOND)
    second = fleet.publish(builder, store, quiet)
    (Path(store.removeprefix("file://")) / f"editions/{second.digest}.json").write_bytes(b"damaged")
    assert fleet.use(store, first.digest[:8], "live", quiet) == first


def versions_of(settings: Settings) -> list[int]:
    return sorted(folder_numbers(settings.repository / MODEL))


def test_a_follower_removes_encoders_that_it_fetched_and_of_which_it_has_no_snapshot(
    builder: Settings, replica: Settings, store: str
) -> None:
    first = fleet.publish(builder, store, quiet)
    follower = fleet.Follower(replica, store, "live", quiet, keep=1)
    follower.look()
    make(builder, 2, SECOND)
    fleet.publish(builder, store, quiet)
    follower.look()
    assert (state(replica), versions_of(replica)) == ((SECOND, 2), [2])
    # It comes back when it is needed.
    fleet.use(store, first.digest, "live", quiet)
    follower.look()
    assert (state(replica), versions_of(replica)) == ((FIRST, 1), [1, 2])  # the newest snapshot stays too


def test_a_follower_leaves_encoders_that_it_has_not_fetched(builder: Settings, replica: Settings, store: str) -> None:
    fleet.publish(builder, store, quiet)
    shutil.copytree(builder.repository / MODEL / "1", replica.repository / MODEL / "1")
    shutil.copytree(builder.repository / MODEL / "1", replica.repository / MODEL / "7")
    follower = fleet.Follower(replica, store, "live", quiet, keep=1)
    follower.look()
    make(builder, 2, SECOND)
    fleet.publish(builder, store, quiet)
    follower.look()
    assert versions_of(replica) == [1, 2, 7]


def test_the_last_look_is_recorded_with_its_error_and_measured(
    builder: Settings, replica: Settings, store: str
) -> None:
    def measured() -> dict[str, float]:
        found = [sample for family in LatestLook(replica.data).collect() for sample in family.samples]
        return {sample.name: sample.value for sample in found}

    assert measured() == {}
    fleet.publish(builder, store, quiet)
    follower = fleet.Follower(replica, store, "live", quiet)
    follower.look()
    assert measured()["akin_fleet_failed"] == 0
    os.utime(replica.data / RECORD, (1000, 1000))
    assert measured()["akin_fleet_look_timestamp_seconds"] == 1000
    with hold_lock(replica.data / LOCK, 0, AssertionError()):  # an edition is fetched
        assert measured()["akin_fleet_look_timestamp_seconds"] > time.time() - 60
    follower.look()
    assert measured()["akin_fleet_look_timestamp_seconds"] > time.time() - 60
    (Path(store.removeprefix("file://")) / "channels/live").unlink()
    for _ in range(2):
        with pytest.raises(BucketError):
            follower.look()
        assert measured()["akin_fleet_failed"] == 1
    record = read_record(replica.data)
    assert record is not None
    assert "no channel 'live'" in record.error
    fleet.publish(builder, store, quiet)
    follower.look()
    assert measured()["akin_fleet_failed"] == 0


def test_pruning_keeps_what_channels_serve(builder: Settings, replica: Settings, store: str) -> None:
    first = fleet.publish(builder, store, quiet)
    for number, snapshot in enumerate((SECOND, "20260103T000000Z-cccccc", "20260104T000000Z-dddddd")):
        published_manifest(builder.data, snapshot, EncoderRecord(1, ENCODERS[1], 384))
        SnapshotDirectory(builder.data).use(snapshot)
        fleet.publish(builder, store, quiet, channel=f"channel-{number % 2}")
    removed = fleet.prune(store, 1, quiet)
    assert [each.snapshot for each in removed] == [SECOND]  # each other one is the newest or is served
    fleet.use(store, "channel-0", "channel-1", quiet)
    fleet.use(store, "channel-0", "live", quiet)
    assert first in fleet.prune(store, 1, quiet)
    fleet.Follower(replica, store, "live", quiet).look()
    with pytest.raises(BucketError, match="no edition or channel"):
        fleet.use(store, first.digest, "live", quiet)


def test_a_follower_says_each_trouble_once_waits_longer_and_goes_on(
    builder: Settings, replica: Settings, tmp_path: Path
) -> None:
    said: list[str] = []
    pauses: list[float] = []
    store = tmp_path / "later"

    def wait(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            store.mkdir()
            fleet.publish(builder, f"file://{store}", quiet)
        if len(pauses) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fleet.Follower(replica, f"file://{store}", "live", said.append).follow(10, wait)
    assert len([line for line in said if "goes on as it is" in line]) == 1
    assert "there is no such folder" in said[0]
    assert "is followed again" in said[-1]
    assert 16 <= pauses[0] <= 24
    assert 32 <= pauses[1] <= 48
    assert pauses[2] > pauses[1] > pauses[0] > 12 >= pauses[3]
    assert state(replica) == (FIRST, 1)


def test_two_followers_of_one_folder_do_not_mix(builder: Settings, replica: Settings, store: str) -> None:
    fleet.publish(builder, store, quiet)
    replica.data.mkdir(parents=True)
    with (
        hold_lock(replica.data / "fleet.lock", 0, AssertionError()),
        pytest.raises(StackError, match="another process follows"),
    ):
        fleet.Follower(replica, store, "live", quiet).look()


@pytest.fixture
def running(replica: Settings, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Fake a running stack; return what is done to it, with the live snapshot of that moment."""
    done: list[Any] = []
    directory = SnapshotDirectory(replica.data)
    stack = Stack([], [1, 2], "http://service", "http://page", "triton", "http://triton", complete=True)

    def serve(settings: Settings, say: Any) -> bool:
        done.append(("load", promoted_version(settings.repository).number, directory.current()))
        return False

    def retire(settings: Settings, snapshot: str, say: Any) -> None:
        done.append(("unload others", snapshot, directory.current()))

    monkeypatch.setattr(following, "find_running_stack", lambda _: stack)
    monkeypatch.setattr(following, "serve_promoted", serve)
    monkeypatch.setattr(following, "retire_encoders", retire)
    monkeypatch.setattr(following, "await_snapshot", lambda *_: {"snapshot": {"id": directory.current()}})
    return done


def test_the_encoder_is_loaded_before_its_snapshot_goes_live_and_the_old_one_unloaded_after(
    builder: Settings, replica: Settings, store: str, running: list[Any]
) -> None:
    fleet.publish(builder, store, quiet)
    follower = fleet.Follower(replica, store, "live", quiet)
    follower.look()
    make(builder, 2, SECOND)
    fleet.publish(builder, store, quiet)
    follower.look()
    assert running == [
        ("load", 1, None), ("unload others", FIRST, FIRST), ("load", 2, FIRST), ("unload others", SECOND, SECOND),
    ]  # fmt: skip
    # A service that changed late still leaves two encoders loaded: the next look unloads one.
    follower.look()
    assert running[4:] == [("unload others", SECOND, SECOND)]


def test_a_service_that_refuses_the_snapshot_is_reported_with_its_reason(
    builder: Settings, replica: Settings, store: str, running: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.publish(builder, store, quiet)
    refused = {"snapshot": {"id": "older", "refused": {"reason": "its words are of another release"}}}
    monkeypatch.setattr(following, "await_snapshot", lambda *_: refused)
    follower = fleet.Follower(replica, store, "live", quiet)
    for _ in range(2):
        with pytest.raises(StackError, match=r"does not serve edition .* its words are of another release"):
            follower.look()
    assert ("unload others", FIRST, FIRST) not in running


def test_the_commands_publish_list_and_follow(
    builder: Settings, replica: Settings, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def akin(settings: Settings, *arguments: str) -> Any:
        monkeypatch.setenv("AKIN_DATA", str(settings.data))
        monkeypatch.setenv("AKIN_MODEL_REPOSITORY", str(settings.repository))
        return CliRunner().invoke(app, ["fleet", *arguments], catch_exceptions=False)

    assert "no editions" in akin(builder, "list", store).stdout
    digest = akin(builder, "publish", store, "--channel", "canary").stdout.strip()
    monkeypatch.setenv("AKIN_FLEET_STORE", store)
    akin(builder, "use", "canary")
    [listed] = json.loads(akin(builder, "list", "--json").stdout)
    assert (listed["edition"], listed["channels"], listed["snapshot"]) == (digest, ["canary", "live"], FIRST)
    assert digest[:12] in akin(builder, "list").stdout
    assert akin(replica, "follow", "--once").exit_code == 0
    assert state(replica) == (FIRST, 1)


def test_the_unknown_store_is_named() -> None:
    with pytest.raises(NothingThere, match="no such folder"):
        fleet.read_channel(Place("file:///none/at/all"), "live")


def test_a_store_that_cannot_be_written_is_named_itself(builder: Settings, store: str, tmp_path: Path) -> None:
    with pytest.raises(BucketError, match=f"^file://{tmp_path}/absent: there is no such folder: make it"):
        fleet.publish(builder, f"file://{tmp_path}/absent", print)
    (tmp_path / "store" / "models").write_text("in the way")
    with pytest.raises(BucketError, match=f"^{store}/models cannot be made: File exists"):
        fleet.publish(builder, store, print)
    assert [each.name for each in (tmp_path / "store").iterdir()] == ["models"]
