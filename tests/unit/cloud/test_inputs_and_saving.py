"""Find the papers of a job, and copy a run while it is written."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import msgspec
import pytest

from akin.bundles import Place, fetch_files, read_bundle
from akin.cloud import saving
from akin.cloud.inputs import find_papers
from akin.cloud.launch import check_run, new_run
from akin.cloud.saving import Saving, restore
from akin.cloud.work import Work
from akin.cloud.worker import arguments, fetch_papers
from akin.errors import AkinError, BadSetting, BucketError

MD5 = hashlib.md5(b"papers", usedforsecurity=False).hexdigest()


@pytest.fixture
def shelf(tmp_path: Path) -> str:
    (tmp_path / "shelf").mkdir()
    return f"file://{tmp_path}/shelf"


def quiet(_: str) -> None:
    pass


def test_papers_of_this_machine_are_uploaded_once(shelf: str, tmp_path: Path) -> None:
    file = tmp_path / "papers.jsonl"
    file.write_bytes(b"papers")
    (tmp_path / "shelf/inputs").mkdir()
    address, name, md5 = find_papers(str(file), f"{shelf}/inputs")
    assert (name, md5) == ("papers.jsonl", "")
    assert address == f"{shelf}/inputs/{hashlib.sha256(b'papers').hexdigest()}/papers.jsonl"
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "shelf").rglob("*.jsonl")}
    assert find_papers(str(file), f"{shelf}/inputs")[0] == address
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "shelf").rglob("*.jsonl")}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository of DVC with one file of papers."""
    (tmp_path / "clone/.dvc").mkdir(parents=True)
    (tmp_path / "clone/.dvc/config").write_text(
        "[core]\n    remote = far\n['remote \"far\"']\n    url = gs://far/dvc\n"
    )
    (tmp_path / "clone/data").mkdir()
    file = tmp_path / "clone/data/papers.jsonl.dvc"
    file.write_text(f"outs:\n- md5: {MD5}\n  size: 6\n  hash: md5\n  path: papers.jsonl\n")
    return file


def test_a_file_of_dvc_is_found_in_its_remote(repository: Path) -> None:
    expected = (f"gs://far/dvc/files/md5/{MD5[:2]}/{MD5[2:]}", "papers.jsonl", MD5)
    assert find_papers(str(repository), "gs://shelf") == expected
    (repository.parents[1] / ".dvc/config.local").write_text("['remote \"far\"']\n    url = gs://other/%x\n")
    assert find_papers(str(repository), "gs://shelf")[0].startswith("gs://other/%x/files/md5/")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"outs:\n- md5: {MD5}.dir\n  path: papers\n", "describes a folder"),
        ("outs: []\n", "no file of DVC"),
        ("- a: [", "no file of DVC"),
        ("outs:\n- md5: ../../../etc\n  path: x\n", "describes a folder"),
    ],
)
def test_another_file_than_dvc_writes_is_refused(repository: Path, content: str, said: str) -> None:
    repository.write_text(content)
    with pytest.raises(BadSetting, match=said):
        find_papers(str(repository), "gs://shelf")


def test_a_remote_on_this_machine_is_of_no_use_to_a_job(repository: Path) -> None:
    (repository.parents[1] / ".dvc/config").write_text("[core]\nremote = here\n['remote \"here\"']\nurl = ../remote\n")
    with pytest.raises(BadSetting, match=r"the remote of DVC is \.\./remote, which a job cannot reach"):
        find_papers(str(repository), "gs://shelf")


@pytest.mark.parametrize("papers", ["none.jsonl", "gs://shelf/folder/", "gs://Shelf/x.jsonl", "gs://shelf/a?b/x.jsonl"])
def test_papers_that_cannot_be_found_are_refused(papers: str) -> None:
    with pytest.raises(AkinError):
        find_papers(papers, "gs://shelf")


def test_papers_that_are_others_than_dvc_knows_are_refused(shelf: str, tmp_path: Path) -> None:
    (tmp_path / "shelf/x").write_bytes(b"papers")
    job = Work("gs://shelf/runs/a", "p", papers=f"{shelf}/x", papers_name="papers.jsonl", papers_md5=MD5)
    assert fetch_papers(job, tmp_path / "in").read_bytes() == b"papers"
    (tmp_path / "shelf/x").write_bytes(b"Papers")
    with pytest.raises(BucketError, match="is damaged: its MD5 is"):
        fetch_papers(job, tmp_path / "again")
    assert not (tmp_path / "again/papers.jsonl").exists()


def test_a_new_run_gets_its_papers_and_a_resumed_one_its_name() -> None:
    job = Work("gs://shelf/runs/a", "p", overrides=("trainer.steps=3",), processes=2, wandb_secret="w")
    papers = Path("/data/inputs/p.jsonl")
    new = arguments(job, "", papers)
    assert new[:3] == ["--processes", "2", "trainer.steps=3"]
    assert new[3:] == ["data=papers", f"data.papers={papers}", "tracking=wandb", "tracking.mode=online"]
    assert arguments(job, "smoke-1", papers) == ["--resume", "smoke-1", "--processes", "2"]
    assert "data=papers" not in arguments(msgspec.structs.replace(job, overrides=("experiment=x",)), "", papers)


def make_run(runs: Path) -> Path:
    folder = runs / "smoke-1"
    (folder / "train/checkpoints/checkpoint-1").mkdir(parents=True)
    (folder / "train/checkpoints/checkpoint-1/weights").write_bytes(b"1" * 1000)
    (folder / "run.json").write_text("{}")
    (folder / ".making-mine").mkdir()
    (folder / ".making-mine/half").write_text("half")
    (folder / "export").mkdir()
    (folder / "export/manifest.json").write_text("{}")
    return folder


def test_a_run_is_saved_when_it_changed_and_comes_back_whole(shelf: str, tmp_path: Path) -> None:
    runs = tmp_path / "data/training"
    folder = make_run(runs)
    copies = Saving(Place(shelf), runs, 60, quiet)
    assert copies.save()
    assert not copies.save()
    first = read_bundle(Place(shelf)).digest
    (folder / "train/checkpoints/checkpoint-2").mkdir()
    (folder / "train/checkpoints/checkpoint-2/weights").write_bytes(b"2" * 1000)
    assert copies.save()
    # The copy before is gone: a run is as large in the bucket as it is here.
    assert list(Place(shelf).sizes("bundles")) == [f"{read_bundle(Place(shelf)).digest}.json"]
    assert read_bundle(Place(shelf)).digest != first
    other = tmp_path / "other"
    other.mkdir()
    assert restore(Place(shelf), other, quiet) == "smoke-1"
    back = {path.relative_to(other / "smoke-1").as_posix() for path in (other / "smoke-1").rglob("*") if path.is_file()}
    assert back == {f"train/checkpoints/checkpoint-{number}/weights" for number in (1, 2)} | {"run.json"}
    assert not list((tmp_path / "data").glob(".saving*"))


def test_nothing_saved_is_nothing_to_go_on_with(shelf: str, tmp_path: Path) -> None:
    assert restore(Place(shelf), tmp_path, quiet) == ""
    assert not Saving(Place(shelf), tmp_path / "none", 60, quiet).save()


def test_a_copy_has_no_halves_of_files(shelf: str, tmp_path: Path) -> None:
    runs = tmp_path / "data/training"
    folder = make_run(runs)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            text = str(number % 10) * 200_000
            with (folder / "train/checkpoints/checkpoint-1/weights").open("w") as file:
                for start in range(0, len(text), 20_000):
                    file.write(text[start : start + 20_000])
                    file.flush()
            stop.wait(0.002)

    thread = threading.Thread(target=write)
    thread.start()
    copies = Saving(Place(shelf), runs, 60, quiet)
    try:
        for _ in range(20):
            if copies.save():
                target = tmp_path / f"copy-{len(list(tmp_path.iterdir()))}"
                fetch_files(Place(shelf), read_bundle(Place(shelf)), target)
                content = (target / "train/checkpoints/checkpoint-1/weights").read_text()
                assert len(set(content)) <= 1
    finally:
        stop.set()
        thread.join()
    copies.save()
    assert read_bundle(Place(shelf)).name == "smoke-1"


def test_a_run_that_cannot_be_saved_goes_on(tmp_path: Path) -> None:
    make_run(tmp_path / "data/training")
    said: list[str] = []
    told = threading.Event()
    copies = Saving(
        Place(f"file://{tmp_path}/none"),
        tmp_path / "data/training",
        0.01,
        lambda text: (said.append(text), told.set())[0],
    )
    copies.start()
    assert told.wait(30)
    copies.stop()
    assert said[0].startswith("the run was not saved: file://")


@pytest.mark.parametrize("run", ["", "A", "a_b", "-a", "a-", "a/b", "../a", "a b", "a" * 63, "1a"])
def test_a_name_that_no_job_can_have_is_refused(run: str) -> None:
    with pytest.raises(BadSetting, match="cannot name a run"):
        check_run(run)


@pytest.mark.parametrize(
    ("overrides", "start"),
    [
        ((), "train-"),
        (("experiment=arxiv_gpu", "seed=3"), "arxiv-gpu-"),
        (("experiment=7B!",), "run-7b-"),
        (("experiment=é",), "train-"),
    ],
)
def test_a_name_is_made_of_the_experiment(overrides: tuple[str, ...], start: str) -> None:
    check_run(new_run(overrides))
    assert new_run(overrides).startswith(start)


def test_the_copies_are_bounded_in_tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_run(tmp_path)
    tries = []
    moment = iter(range(1, 1000))

    def copyfile(source: Path, target: Path) -> None:
        tries.append(source)
        os.utime(source, ns=(0, next(moment)))

    monkeypatch.setattr(saving.shutil, "copyfile", copyfile)
    assert saving._copy(folder, tmp_path / "copy", {}) is None
    assert len(tries) == 10  # two files, five times
