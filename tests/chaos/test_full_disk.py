"""Let every step of every publish fail as on a full disk: the old state stays, and the next run succeeds."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from akin.keys.key_file import KeysUnusable
from retrieval_service.corpus import SnapshotDirectory, verify_snapshot
from retrieval_service.errors import SnapshotError
from tests.chaos.power_cut import CALLS
from tests.chaos.test_power_cut import PUBLISHES
from tests.integration import snapshots
from tests.integration.generated import HashEncoder, build, generated_papers


@contextmanager
def failing(number: int) -> Iterator[list[str]]:
    """Let the n-th call that makes names or syncs fail; yield the list of the calls."""
    calls: list[str] = []

    def counted(name: str, call: Any) -> Any:
        def run(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            if len(calls) == number:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *map(str, arguments[:1]))
            return call(*arguments, **options)

        return run

    with pytest.MonkeyPatch.context() as patch:
        # A full disk still removes files.
        for name in set(CALLS) - {"unlink", "remove", "rmdir"}:
            patch.setattr(os, name, counted(name, getattr(os, name)))
        yield calls


@pytest.mark.parametrize("name", PUBLISHES)
def test_a_step_that_fails_leaves_the_old_or_the_new_state_and_the_next_run_succeeds(tmp_path: Path, name: str) -> None:
    publish = PUBLISHES[name]
    base = tmp_path / "base"
    base.mkdir()
    publish.prepare(base)
    old = publish.read(base)
    number = failed = 0
    while True:
        number += 1
        root = Path(shutil.copytree(base, tmp_path / f"run-{number}"))
        raised: Exception | None = None
        with failing(number) as calls:
            try:
                publish.act(root)
            except Exception as error:
                raised = error
        if len(calls) < number:
            break
        found = publish.read(root)
        if raised is None:
            assert calls[-1] != "mkdir" or found != old
            assert "mkdir" in calls, "only making a folder that is there may fail unnoticed"
        else:
            failed += 1
            assert "No space left" in f"{raised} {raised.__cause__}", calls
            # A key that was stored all the same cannot be made again.
            with contextlib.suppress(KeysUnusable):
                publish.act(root)
        assert publish.read(root) != old
        assert [each.name for each in root.rglob(".CURRENT*")] == []
    assert failed >= 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system whose size can be set, where this is allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "akin", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def resize(disk: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


@pytest.mark.chaos
@pytest.mark.parametrize("how", ["build", "update"])
def test_a_disk_that_fills_at_any_byte_leaves_the_live_snapshot(small_disk: Path, how: str) -> None:
    papers, data = generated_papers(240), small_disk / "data"

    def run() -> None:
        if how == "build":
            build(papers, HashEncoder(), data)
        else:
            snapshots.update(papers, HashEncoder(), data)

    build(papers[:200], HashEncoder(), data)
    before = SnapshotDirectory(data).current()
    used = shutil.disk_usage(small_disk).used
    refused: list[str] = []
    for room in range(0, 4 << 20, 32 << 10):
        resize(small_disk, used + room)
        shutil.rmtree(data / "embeddings")  # so that every run embeds, and stores, the same
        try:
            run()
        except SnapshotError as error:
            refused.append(str(error))
        else:
            break
        assert "could not be written" in refused[-1]
        directory = SnapshotDirectory(data)
        assert directory.ids() == [before]
        assert directory.current() == before
        assert verify_snapshot(directory.path(before or "")) == []
        assert not list(directory.root.glob(".building-*"))
    else:
        pytest.fail(f"not done with 4 MB: {refused[-1]}")
    assert len(refused) > 5
    after = SnapshotDirectory(data)
    assert verify_snapshot(after.path(after.current() or "")) == []
