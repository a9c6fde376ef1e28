"""Back a corpus and a model up and restore them: whole, damaged, hostile, interrupted, and beside other work."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from akin.backup import restore as restoring
from akin.backup import write as writing
from akin.backup.content import Wanted
from akin.backup.manifest import DIGEST, FORMAT, MANIFEST
from akin.backup.restore import check_backup, restore
from akin.backup.write import back_up
from akin.collection.store import CollectionStore
from akin.errors import BackupError
from akin.feedback.store import FILE, FeedbackStore
from akin.indexing.embedding_store import EmbeddingStore, text_digest
from akin.keys import KeyFile
from akin.stack_settings import Settings
from akin.storage.locks import hold_lock
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.errors import SnapshotInUse
from tests.integration import generated
from tests.integration.service import client_of
from tests.integration.snapshots import flip, update

QUERIES = ("kites", *generated.words(1, 4))


def settings_of(root: Path) -> Settings:
    return Settings.read({"AKIN_DATA": str(root / "data"), "AKIN_MODEL_REPOSITORY": str(root / "models")})


def make_model(root: Path, number: int, digest: str) -> None:
    folder = root / "models" / "text_encoder" / str(number)
    (folder.parent / "evaluations" / digest).mkdir(parents=True)
    (folder.parent / "evaluations" / digest / "report.json").write_text("{}")
    folder.mkdir()
    graph = f"graph {digest}".encode()
    (folder / "model.onnx").write_bytes(graph)
    files = {"model.onnx": {"sha256": sha256(graph).hexdigest(), "bytes": len(graph)}}
    (folder / "manifest.json").write_text(json.dumps({"digest": digest, "files": files}))
    (folder.parent / "config.pbtxt").write_text('name: "text_encoder"\n')
    (folder.parent / "PROMOTED").write_text(f"{number}\n")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data, two snapshots of which one is live, a model, keys and feedback; read only."""
    root = tmp_path_factory.mktemp("origin")
    settings = settings_of(root)
    papers, encoder, first = generated.built(settings.data, 120)
    update(papers[:10] + generated.generated_papers(20, seed=3), encoder, settings.data)
    make_model(root, 1, first.encoder.digest)
    KeyFile(settings.keys_file).create("page", ("search",))
    (settings.data / "feedback").mkdir()
    FeedbackStore(settings.feedback_folder, days=30, most_bytes=10**7).summary()
    with sqlite3.connect(settings.feedback_folder / FILE) as db:
        db.execute("CREATE TABLE kept (value TEXT)")
        db.execute("INSERT INTO kept VALUES ('yes')")
    db.close()
    return root


@pytest.fixture(params=["backup.tar", "backup"])
def made(origin: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Return a backup of the origin, as a file and as a folder."""
    path = tmp_path / "kept" / request.param
    back_up(settings_of(origin), path, Wanted())
    return path


@pytest.fixture(scope="module")
def tar(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tar") / "backup.tar"
    back_up(settings_of(origin), path, Wanted())
    return path


def answers(settings: Settings) -> list[object]:
    found = []
    with client_of(settings.data, generated.HashEncoder(), watch_seconds=0.05) as client:
        for query in QUERIES:
            for mode in ("hybrid", "dense", "lexical"):
                answer = client.post("/search", json={"query": query, "mode": mode, "k": 10}).json()
                found.append([(each["id"], each["score"]) for each in answer["results"]])
    return found


def content_of(folder: Path) -> dict[str, bytes]:
    """Return all files that count: no locks, and nothing that searches leave."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


def restored(source: Path, root: Path, **options: bool) -> Settings:
    settings = settings_of(root)
    restore(settings, source, replace=options.pop("replace", False), say=lambda _: None, **options)
    return settings


def test_answers_are_the_same_on_another_machine(origin: Path, made: Path, tmp_path: Path) -> None:
    before = answers(settings_of(origin))
    assert any(before)
    other = restored(made, tmp_path / "other")
    assert answers(other) == before
    assert SnapshotDirectory(other.data).current() == SnapshotDirectory(origin / "data").current()
    assert len(SnapshotDirectory(other.data).ids()) == 1
    assert content_of(other.repository) == content_of(origin / "models")
    assert [key.name for key in KeyFile(other.keys_file).read()] == ["page"]
    assert (other.keys_file.stat().st_mode & 0o077) == 0
    with sqlite3.connect(other.feedback_folder / FILE) as db:
        assert db.execute("SELECT value FROM kept").fetchall() == [("yes",)]
    db.close()
    leftovers = [path for path in (tmp_path / "other").rglob(".*") if path.name.startswith((".restor", ".before"))]
    assert leftovers == []


def test_an_update_after_a_restore_embeds_only_new_texts(origin: Path, made: Path, tmp_path: Path) -> None:
    shutil.copytree(origin, tmp_path / "same")
    changed, encoder = generated.generated_papers(25, seed=3), generated.HashEncoder()
    here = update(changed, encoder, tmp_path / "same" / "data")
    there = update(changed, encoder, restored(made, tmp_path / "other").data)
    assert 0 < there.embedded == here.embedded < 25


def test_the_choice_of_parts(origin: Path, tmp_path: Path) -> None:
    none = Wanted(embeddings=False, models=False, keys=False, feedback=False)
    small = back_up(settings_of(origin), tmp_path / "small.tar", none)
    assert {name.partition("/")[0] for name in small.files} == {"snapshots"}
    every = back_up(settings_of(origin), tmp_path / "every", Wanted(every=True, collection=True))
    assert len({name.split("/")[1] for name in every.files if name.startswith("snapshots/")}) == 3
    with pytest.raises(BackupError, match=r"no data folder .*/none/data: set AKIN_DATA"):
        back_up(settings_of(tmp_path / "none"), tmp_path / "nothing.tar", Wanted())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["every", "small.tar"]


def test_the_collection_is_a_choice(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    settings.collection_folder.mkdir(parents=True)
    (settings.collection_folder / "queries-20260101T0000Z-00000000.parquet").write_bytes(b"PAR1")
    assert CollectionStore(settings.collection_folder, days=1, most_bytes=1) is not None
    with pytest.raises(BackupError, match="hold nothing"):
        back_up(settings, tmp_path / "without.tar", Wanted())
    back_up(settings, tmp_path / "with.tar", Wanted(collection=True))
    other = restored(tmp_path / "with.tar", tmp_path / "other")
    assert [path.read_bytes() for path in other.collection_folder.glob("*.parquet")] == [b"PAR1"]


def test_a_backup_while_an_update_runs_and_old_snapshots_are_removed(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    papers, encoder, first = generated.built(settings.data, 60)
    store = settings.data / "embeddings" / encoder.identity.digest
    more = [f"text {number}" for number in range(50)]

    updated: list[str] = []

    def meanwhile(done: int, total: int) -> None:
        if updated:
            return
        with EmbeddingStore(store, generated.DIM) as open_store:
            open_store.append([text_digest(text) for text in more], generated.hashed("x").repeat(50).reshape(50, -1))
        second = update(papers[:5] + generated.generated_papers(9, seed=5), encoder, settings.data)
        updated.append(second.id)
        with pytest.raises(SnapshotInUse, match="is in use"):  # it is locked while it is copied
            SnapshotDirectory(settings.data).remove(first.id)

    back_up(settings, tmp_path / "b.tar", Wanted(), meanwhile)
    assert SnapshotDirectory(settings.data).current() == updated[0] != first.id
    other = restored(tmp_path / "b.tar", tmp_path / "other")
    assert SnapshotDirectory(other.data).current() == first.id
    with EmbeddingStore(other.data / "embeddings" / encoder.identity.digest, generated.DIM) as copied:
        assert len(copied) == 60


def test_a_damaged_snapshot_is_not_backed_up(origin: Path, tmp_path: Path) -> None:
    shutil.copytree(origin, tmp_path / "damaged")
    settings = settings_of(tmp_path / "damaged")
    flip(settings.data / "snapshots" / (SnapshotDirectory(settings.data).current() or "") / "catalogue.sqlite")
    with pytest.raises(BackupError, match=r"catalogue\.sqlite is damaged"):
        back_up(settings, tmp_path / "b.tar", Wanted())
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]


def test_a_backup_replaces_nothing_and_needs_room(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there.tar").write_text("precious")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("there.tar", "loop"):
        with pytest.raises(BackupError, match="exists already"):
            back_up(settings_of(origin), tmp_path / name, Wanted())
    with pytest.raises(BackupError, match="a file or a folder of this machine"):
        back_up(settings_of(origin), Path("gs://bucket/b.tar"), Wanted())
    for name in ("b.zip", "b.tar.gz", "b.TGZ"):
        with pytest.raises(BackupError, match=r"a folder or a file \.tar, without compression"):
            back_up(settings_of(origin), tmp_path / name, Wanted())
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(BackupError, match="1,000 bytes free"):
        back_up(settings_of(origin), tmp_path / "b.tar", Wanted())
    monkeypatch.setattr(restoring.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loop", "there.tar"]


def test_a_restore_needs_room(tar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(restoring.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(BackupError, match="1,000 bytes free"):
        restored(tar, tmp_path / "other")
    assert content_of(tmp_path) == {}


def test_a_folder_that_holds_something_is_refused_and_replaced_only_when_told(tar: Path, tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    _, _, own = generated.built(settings.data, 30)
    make_model(tmp_path, 1, "f" * 64)
    before = content_of(tmp_path)
    with pytest.raises(BackupError, match="is there already"):
        restored(tar, tmp_path)
    assert content_of(tmp_path) == before
    done = restore(settings, tar, replace=True, say=lambda _: None)
    assert SnapshotDirectory(settings.data).current() == done.manifest.snapshot != own.id
    assert own.id in SnapshotDirectory(settings.data).ids()
    former = [Path(each) for each in done.former]
    assert any((each / "CURRENT").read_text().strip() == own.id for each in former if (each / "CURRENT").exists())
    assert any(
        "f" * 64 in (each / "manifest.json").read_text() for each in (path / "1" for path in former) if each.is_dir()
    )


def test_a_model_of_the_same_digest_is_no_conflict(origin: Path, tar: Path, tmp_path: Path) -> None:
    shutil.copytree(origin / "models", tmp_path / "models")
    done = restore(settings_of(tmp_path), tar, replace=False, say=lambda _: None)
    assert "models/text_encoder/1" in done.same
    assert done.former == ()


def test_another_model_under_the_same_number_is_refused(tar: Path, tmp_path: Path) -> None:
    make_model(tmp_path, 1, "f" * 64)
    before = content_of(tmp_path)
    with pytest.raises(BackupError, match="AKIN_MODEL_REPOSITORY"):
        restored(tar, tmp_path)
    assert content_of(tmp_path) == before
    assert SnapshotDirectory(restored(tar, tmp_path, models=False).data).current()


def test_a_running_build_or_stack_is_not_disturbed(tar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "data" / "snapshots" / ".lock"
    with hold_lock(lock, 0, RuntimeError()), pytest.raises(BackupError, match="build"):
        restored(tar, tmp_path)
    monkeypatch.setattr(restoring, "find_running_stack", lambda _: object())
    with pytest.raises(BackupError, match="akin down"):
        restored(tar, tmp_path)


def test_any_flipped_bit_is_found_and_nothing_is_restored(made: Path, tmp_path: Path) -> None:
    files = [made] if made.is_file() else sorted(path for path in made.rglob("*") if path.is_file())
    size = made.stat().st_size if made.is_file() else 0
    places = [(files[0], size * part // 15) for part in range(15)] if size else [(path, 0) for path in files[::6]]
    found = 0
    for path, at in places:
        if not path.stat().st_size:
            continue
        flip(path, at)
        try:
            check_backup(made)
        except BackupError:
            found += 1
            with pytest.raises(BackupError):
                restored(made, tmp_path / "other")
            assert content_of(tmp_path / "other") == {}
        flip(path, at)
    check_backup(made)
    assert found >= len(places) * 0.9  # bits of padding between the files of an archive mean nothing


def test_a_backup_that_ends_early_is_refused(tar: Path, tmp_path: Path) -> None:
    whole = tar.read_bytes()
    for size in (0, 100, 512, 5000, len(whole) // 2, len(whole) - 11_000):
        (tmp_path / "b.tar").write_bytes(whole[:size])
        with pytest.raises(BackupError):
            restored(tmp_path / "b.tar", tmp_path / "other")
    assert content_of(tmp_path / "other") == {}


def rewritten(tar: Path, to: Path, change: Callable[[dict[str, bytes], dict[str, tarfile.TarInfo]], None]) -> Path:
    """Write an archive with other members, and a manifest with right digests."""
    with tarfile.open(tar) as old:
        members = {each.name: each for each in old}
        content = {name: old.extractfile(each).read() for name, each in members.items()}  # type: ignore[union-attr]
    change(content, members)
    manifest = json.loads(content.pop(MANIFEST))
    content.pop(DIGEST)
    manifest["files"] = {
        name: {"sha256": sha256(data).hexdigest(), "bytes": len(data), "mode": 0o644} for name, data in content.items()
    } | manifest.get("more", {})
    text = json.dumps(manifest).encode()
    content |= {MANIFEST: text, DIGEST: sha256(text).hexdigest().encode()}
    with tarfile.open(to, "w") as new:
        for name, data in content.items():
            member = members.get(name) or tarfile.TarInfo(name)
            member.size = len(data) if member.isreg() else 0
            member.name = name
            new.addfile(member, io.BytesIO(data) if member.isreg() else None)
    return to


@pytest.mark.parametrize(
    "name",
    [
        "../outside", "snapshots/../../outside", "/etc/akin", "snapshots/x/../../../outside", "snapshots//x", "data/x",
        "snapshots/.lock", "snapshots/.building-x/y", "keys/../x", "snapshots/a\x00b", "models/text_encoder/.hidden/..",
        "C:\\x", "snapshots/a\\..\\b", "snapshots", "feedback/" + "x" * 300, "models/..",
    ],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(tar: Path, tmp_path: Path, name: str) -> None:
    def add(content: dict[str, bytes], _: object) -> None:
        content[name] = b"evil"

    (tmp_path / "in").mkdir()
    bad = rewritten(tar, tmp_path / "in" / "b.tar", add)
    with pytest.raises(BackupError, match=r"which no backup of Akin has|does not list"):
        restored(bad, tmp_path / "other")
    assert content_of(tmp_path / "other") == {}
    assert sorted(path.name for path in tmp_path.iterdir()) in (["in"], ["in", "other"])


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_links_and_devices_are_refused(tar: Path, tmp_path: Path, kind: bytes) -> None:
    def add(content: dict[str, bytes], members: dict[str, tarfile.TarInfo]) -> None:
        link = tarfile.TarInfo("snapshots/link")
        link.type, link.linkname = kind, "/etc/passwd"
        members[link.name], content[link.name] = link, b""

    bad = rewritten(tar, tmp_path / "b.tar", add)
    with pytest.raises(BackupError):
        restored(bad, tmp_path / "other")
    assert content_of(tmp_path / "other") == {}


def test_a_link_in_a_folder_is_refused(origin: Path, tmp_path: Path) -> None:
    made = tmp_path / "backup"
    back_up(settings_of(origin), made, Wanted())
    keys = made / "keys" / "keys.json"
    shutil.copy(keys, tmp_path / "elsewhere")
    keys.unlink()
    keys.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BackupError, match="is a link"):
        restored(made, tmp_path / "other")


def test_other_formats_and_snapshots_of_other_releases_are_refused(tar: Path, tmp_path: Path) -> None:
    def of_format(number: int) -> Callable[[dict[str, bytes], object], None]:
        def change(content: dict[str, bytes], _: object) -> None:
            content[MANIFEST] = json.dumps(json.loads(content[MANIFEST]) | {"format": number}).encode()

        return change

    for number, word in ((FORMAT - 1, "an older"), (FORMAT + 1, "a newer")):
        bad = rewritten(tar, tmp_path / f"{number}.tar", of_format(number))
        with pytest.raises(BackupError, match=word):
            restored(bad, tmp_path / "other")

    def of_schema(content: dict[str, bytes], _: object) -> None:
        name = next(each for each in content if each.startswith("snapshots/") and each.endswith("/manifest.json"))
        content[name] = json.dumps(json.loads(content[name]) | {"schema": 99}).encode()

    with pytest.raises(BackupError, match="schema 99"):
        restored(rewritten(tar, tmp_path / "schema.tar", of_schema), tmp_path / "other")

    def of_nowhere(content: dict[str, bytes], _: object) -> None:
        content["snapshots/CURRENT"] = b"../../x\n"

    with pytest.raises(BackupError, match="live snapshot that it does not have"):
        restored(rewritten(tar, tmp_path / "nowhere.tar", of_nowhere), tmp_path / "other")
    assert content_of(tmp_path / "other") == {}


KILLED = """
import os, signal, sys
from pathlib import Path
from akin.backup import restore, write
from akin.backup.content import Wanted
from akin.stack_settings import Settings
settings, path, when = Settings.read(os.environ), Path(sys.argv[1]), sys.argv[2]
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
steps = int(sys.argv[3])
def counted(*_):
    global steps
    steps -= 1
    if steps < 0:
        die()
if when == "backup":
    write.back_up(settings, path, Wanted(), counted)
elif when == "stage":
    restore.restore(settings, path, replace=False, say=print, progress=counted)
else:
    restore.sync = counted
    restore.restore(settings, path, replace=True, say=print)
"""


def killed(root: Path, *arguments: str) -> int:
    environment = {**os.environ, "AKIN_DATA": str(root / "data"), "AKIN_MODEL_REPOSITORY": str(root / "models")}
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], env=environment, timeout=120, check=False)
    return done.returncode


def test_a_killed_backup_leaves_no_backup_and_the_next_one_cleans_up(origin: Path, tmp_path: Path) -> None:
    to = tmp_path / "b.tar"
    assert killed(origin, str(to), "backup", "3") == -signal.SIGKILL
    assert not to.exists()
    back_up(settings_of(origin), to, Wanted())
    check_backup(to)
    assert [path.name for path in tmp_path.iterdir()] == ["b.tar"]


def test_a_killed_restore_leaves_nothing_live_and_the_next_one_succeeds(
    origin: Path, tar: Path, tmp_path: Path
) -> None:
    root = tmp_path / "other"
    assert killed(root, str(tar), "stage", "4") == -signal.SIGKILL
    assert SnapshotDirectory(root / "data").current() is None
    assert answers(restored(tar, root)) == answers(settings_of(origin))
    assert not list(root.rglob(".restore-*"))


@pytest.mark.parametrize("steps", [0, 5])
def test_a_restore_that_is_killed_between_its_moves_is_taken_back(tar: Path, tmp_path: Path, steps: int) -> None:
    root = tmp_path / "other"
    settings = settings_of(root)
    _, _, own = generated.built(settings.data, 30)
    make_model(root, 1, "f" * 64)
    before = content_of(root)
    assert killed(root, str(tar), "move", str(steps)) == -signal.SIGKILL
    assert SnapshotDirectory(settings.data).current() == own.id
    said: list[str] = []
    with pytest.raises(BackupError, match="is there already"):
        restore(settings, tar, replace=False, say=said.append)
    assert said == ["an interrupted restore is taken back first"]
    assert content_of(root) == before


def test_a_restore_that_is_killed_after_its_last_move_stays(tar: Path, tmp_path: Path) -> None:
    settings = restored(tar, tmp_path)
    before = content_of(tmp_path)
    moves = [{"staged": str(tmp_path / "gone"), "target": str(settings.data / "snapshots" / "CURRENT"), "former": None}]
    (settings.data / restoring.JOURNAL).write_text(json.dumps(moves))
    restoring.take_back(settings, pytest.fail)
    assert content_of(tmp_path) == before


def test_an_error_between_the_moves_takes_them_back(tar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(tmp_path / "other")
    real, left = os.rename, [3]

    def rename(one: str, other: str) -> None:
        left[0] -= 1
        if not left[0]:
            raise OSError(28, "No space left on device", str(other))
        real(one, other)

    monkeypatch.setattr(restoring.os, "rename", rename)
    with pytest.raises(BackupError, match="No space left"):
        restore(settings, tar, replace=False, say=lambda _: None)
    assert content_of(tmp_path / "other") == {}


def test_a_folder_without_one_of_its_files_is_said_to_lack_it(origin: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    done = back_up(settings_of(origin), folder, Wanted())
    lost = folder / sorted(done.files)[-1]
    lost.unlink()
    for read in (lambda: check_backup(folder), lambda: restored(folder, tmp_path / "other")):
        with pytest.raises(BackupError, match=f"^{folder} lacks {lost}: take another copy"):
            read()
    assert content_of(tmp_path / "other") == {}


def test_paths_that_are_loops_or_files_are_one_line(origin: Path, tar: Path, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").touch()
    for source in ("loop", "file", "file/below", "absent"):
        with pytest.raises(BackupError, match=source.partition("/")[0]):
            restored(tmp_path / source, tmp_path / "other")
    for name in ("loop", "file"):
        settings = Settings.read({"AKIN_DATA": str(tmp_path / name / "x")})
        with pytest.raises(BackupError, match=r"cannot write .*repeat akin restore, or set AKIN_DATA"):
            restore(settings, tar, replace=False, say=lambda _: None)
        with pytest.raises(BackupError, match=rf"cannot write {tmp_path}/{name}/b.tar: .*or name another place"):
            back_up(settings_of(origin), tmp_path / name / "b.tar", Wanted())
    for source in (tmp_path / "absent", tmp_path, tmp_path / "file"):
        with pytest.raises(BackupError, match="give a file or folder that `akin backup` wrote"):
            restored(source, tmp_path / "other")
    assert not (tmp_path / "other").exists()
