"""Cut a harvest and a download at each step: the same command continues it, and makes what an uncut one makes.

The states after a power cut are also those after a kill: one of them is that in which all writes so far are kept.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from akin.papers import RemoteError
from akin.papers.remote.partial import partial_file
from tests.chaos.power_cut import Disk, PowerCuts
from tests.chaos.test_full_disk import failing
from tests.integration.papers import test_download, test_harvest
from tests.integration.papers.conftest import Answer, Server, send, server

__all__ = ["server"]

CONTENT = b"".join(b'{"id": "2601.%05d"}\n' % number for number in range(400))
_ASIDE = re.compile(r"\..+\.(json|sha256)\.[a-z0-9_]{8}")


@dataclass(frozen=True)
class Transfer:
    """A transfer into a folder.

    Attributes:
        act: Runs it.
        usual: Answers of a server that works.
        requests: Number of its requests.
        script: Answers of the first requests of a first run, in place of the usual ones.
    """

    act: Callable[[Server, Path], Any]
    usual: Answer
    requests: int
    script: tuple[Answer | None, ...] = ()


def dead_token(request: Any) -> None:
    send(request, 200, test_harvest.refusal("badResumptionToken"))


TRANSFERS = {
    "harvest": Transfer(test_harvest.harvested, test_harvest.repository, 3),
    # A list that was started again has records twice, which are joined at its end.
    "harvest of two lists": Transfer(
        test_harvest.harvested, test_harvest.repository, 5, script=(None, None, dead_token)
    ),
    "download": Transfer(test_download.fetched, test_download.file_of(CONTENT), 1),
    # In two parts: the connection breaks in the middle.
    "download in parts": Transfer(
        test_download.fetched, test_download.file_of(CONTENT), 2, script=(test_download.file_of(CONTENT, cut=3_000),)
    ),
}


def result(folder: Path) -> dict[str, bytes]:
    """Return what a folder has, but files that were being written aside when the process ended."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not _ASIDE.fullmatch(path.name)}


class Cut:
    """A transfer over a server, with what it makes when nothing cuts it."""

    def __init__(self, name: str, server: Server, folder: Path) -> None:
        self.transfer, self.server = TRANSFERS[name], server
        self.module = sys.modules[f"akin.papers.remote.{name.split()[0]}"]
        self.expected = self.continued(folder / "whole")
        assert len(self.expected) == 2

    def start(self, folder: Path) -> None:
        """Run it for the first time."""
        folder.mkdir(parents=True, exist_ok=True)
        self.server.usual, self.server.script = self.transfer.usual, list(self.transfer.script)
        self.transfer.act(self.server, folder)

    def continued(self, folder: Path) -> dict[str, bytes]:
        """Run it over a server that works, and return the result."""
        folder.mkdir(parents=True, exist_ok=True)
        self.server.usual, self.server.script = self.transfer.usual, []
        self.transfer.act(self.server, folder)
        return result(folder)


LONG = ("harvest of two lists", "download in parts")


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.chaos] * (name in LONG)) for name in TRANSFERS])
def cut(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Cut:
    return Cut(request.param, server, tmp_path)


def test_after_a_power_cut_or_a_kill_at_each_step_the_same_command_makes_the_same(cut: Cut, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    disk = Disk(root)
    with disk.record():
        cut.start(root)
    assert result(root) == cut.expected
    cuts = PowerCuts(disk, tmp_path / "cut", cut.continued)
    assert cuts.broken(cut.expected, cut.expected) is None
    assert len(disk.syncs) >= 4
    # What is synced of the part must be: a state that names more than the disk has would keep rubbish.
    needless = cuts.needless(cut.expected, cut.expected)
    assert [each for each in needless if each.endswith(".part")] == []


def test_after_a_step_that_fails_the_same_command_makes_the_same(cut: Cut, tmp_path: Path) -> None:
    said: list[str] = []
    for number in range(1, 200):
        folder = tmp_path / f"step-{number}"
        folder.mkdir()
        with failing(number) as calls:
            try:
                cut.start(folder)
            except RemoteError as error:
                said.append(str(error))
        if len(calls) < number:
            break
        assert cut.continued(folder) == cut.expected, calls
    assert len(said) >= 4
    assert [each for each in said if "No space left" not in each] == []


@contextmanager
def full_at(module: Any, number: int) -> Iterator[list[int]]:
    """Let the n-th write into the part fail, after half of it; yield the sizes of all writes."""
    written: list[int] = []

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def write(self, content: bytes) -> int:
            written.append(len(content))
            if len(written) == number:
                self.file.write(content[: len(content) // 2])
                self.file.flush()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return int(self.file.write(content))

    @contextmanager
    def opened(path: Path) -> Iterator[Any]:
        with partial_file(path) as file:
            yield Full(file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "partial_file", opened)
        yield written


def test_after_a_write_that_fails_the_same_command_makes_the_same(cut: Cut, tmp_path: Path) -> None:
    said: list[str] = []
    for number in range(1, 20):
        folder = tmp_path / f"write-{number}"
        with full_at(cut.module, number) as written:
            try:
                cut.start(folder)
            except RemoteError as error:
                said.append(str(error))
        if len(written) < number:
            break
        assert cut.continued(folder) == cut.expected
    assert len(said) == number - 1 >= 1
    assert [each for each in said if "No space left" not in each or str(tmp_path) not in each] == []


def test_after_a_connection_that_breaks_anywhere_the_same_command_makes_the_same(cut: Cut, tmp_path: Path) -> None:
    def breaking(at: int) -> Answer:
        """Return the usual answer without all after its first bytes."""

        def answer(request: Any) -> None:
            real = request.wfile

            class Short:
                left = at

                def write(self, content: bytes) -> int:
                    given = content[: self.left]
                    self.left -= len(given)
                    real.write(given)
                    if not self.left:
                        request.close_connection = True
                    return len(content)

                def __getattr__(self, name: str) -> Any:
                    return getattr(real, name)

            request.wfile = Short()
            try:
                cut.transfer.usual(request)
            finally:
                request.wfile = real

        return answer

    tried = 0
    for before in range(cut.transfer.requests - len(cut.transfer.script)):
        for at in (0, 20, 150, 400, 900, 4_000):
            folder = tmp_path / f"break-{before}-{at}"
            folder.mkdir()
            cut.server.usual = lambda request: send(request, 500)
            cut.server.script = [*[cut.transfer.usual] * before, *[breaking(at)] * 3]
            try:
                cut.transfer.act(cut.server, folder)
            except RemoteError:
                tried += 1
            assert cut.continued(folder) == cut.expected
    assert tried >= 4
