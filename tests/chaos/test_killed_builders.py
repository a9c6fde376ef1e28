"""Kill commands that build, update, prune and switch: searches stay whole, and the next command repairs everything."""

from __future__ import annotations

import random
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.corpus.last_build import last_build_failed
from tests.chaos import builders
from tests.integration.generated import generated_papers

pytestmark = pytest.mark.chaos

FEW, MANY = 60, 90
IDS = [paper.id for paper in generated_papers(MANY)]


@dataclass(frozen=True)
class Command:
    """A command, and what is there before and after it.

    Attributes:
        arguments: The command line; `{few}`, `{many}` and `{other}` stand for files and a snapshot.
        before: Number of papers that are live before.
        after: Number of papers that are live after.
        kept: Snapshots that are published at the end of one run; None if that depends on the kill.
        builds: It is recorded as a build.
    """

    arguments: tuple[str, ...]
    before: int
    after: int
    kept: int | None = None
    builds: bool = False


COMMANDS = {
    "build": Command(("index", "build", "{many}"), FEW, MANY, builds=True),
    "update": Command(("index", "update", "{many}"), FEW, MANY, builds=True),
    "prune": Command(("index", "prune", "--keep", "1"), FEW, FEW, kept=1),
    "use": Command(("index", "use", "{other}"), FEW, MANY, kept=3),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a data folder with three snapshots, of which the newest, with few papers, is live."""
    root = tmp_path_factory.mktemp("base")
    data = root / "data"
    data.mkdir()
    for name, count in (("few", FEW), ("many", MANY)):
        builders.write_papers(root / f"{name}.jsonl", generated_papers(MANY)[:count])
    for name in ("few", "many", "few"):
        assert builders.finish(data, ["index", "build", str(root / f"{name}.jsonl")]) == 0
    assert builders.searched(data) == set(IDS[:FEW])
    # Texts that are embedded again are a part of what is killed.
    shutil.rmtree(data / "embeddings")
    return root


@pytest.fixture(scope="module")
def seconds(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Measure how long the whole commands take."""
    measured = {}
    for name in ("build", "update"):
        case = Case(base, tmp_path_factory.mktemp("whole") / "data", name)
        began = time.monotonic()
        case.run()
        measured[name] = time.monotonic() - began
    return measured


class Case:
    """A copy of the data folder in which a command is killed."""

    def __init__(self, base: Path, copy: Path, name: str) -> None:
        self.command = COMMANDS[name]
        shutil.rmtree(copy, ignore_errors=True)
        self.data = Path(shutil.copytree(base / "data", copy))
        self.published = SnapshotDirectory(self.data).ids()
        names = {"few": base / "few.jsonl", "many": base / "many.jsonl", "other": self.published[1]}
        self.arguments = [each.format_map(names) for each in self.command.arguments]

    def run(self) -> None:
        """Run the whole command."""
        assert builders.finish(self.data, self.arguments) == 0, (self.data / "said").read_text()

    def kill_after(self, seconds: float) -> bool:
        """Kill the command so many seconds after its beginning; return False if it had ended before."""
        process = builders.start(self.data, self.arguments)
        while not (self.data / "started").exists():
            assert process.is_alive()
            time.sleep(0.001)
        time.sleep(seconds)
        process.kill()
        process.join()
        return process.exitcode != 0

    def check(self) -> None:
        """Check what is searched after the kill; repeat the command, and check that it repairs everything."""
        command, directory = self.command, SnapshotDirectory(self.data)
        assert builders.searched(self.data) in (set(IDS[: command.before]), set(IDS[: command.after]))
        if command.kept != 1:
            assert set(self.published) <= set(directory.ids())
        if command.builds and (self.data / "last-build").exists():
            assert last_build_failed(self.data) == ((self.data / "last-build").read_text() == "running")
        self.run()
        assert builders.searched(self.data) == set(IDS[: command.after])
        assert command.kept in (None, len(directory.ids()))
        assert builders.leftovers(self.data) == []
        assert last_build_failed(self.data) is False


@pytest.mark.parametrize("number", range(50))
def test_a_builder_killed_at_a_random_moment(
    base: Path, tmp_path: Path, seconds: dict[str, float], number: int
) -> None:
    name = ("build", "update")[number % 2]
    # Later moments more often: that is where it publishes. A moment after the end shows nothing: try an earlier one.
    dice = random.Random(number)
    for tries in range(30):
        case = Case(base, tmp_path / "data", name)
        if case.kill_after(seconds[name] * dice.random() ** 0.5 * 0.8**tries):
            break
    else:
        pytest.fail("the command ended before each kill")
    case.check()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_killed_at_each_step_of_its_publish(base: Path, tmp_path: Path, name: str) -> None:
    case = Case(base, tmp_path / "data", name)
    case.run()
    calls = (case.data / "calls").read_text().splitlines()
    publish = next((at for at, call in enumerate(calls) if call.startswith("rename") and ".building-" in call), 0)
    assert len(calls) - publish >= 3
    for step in range(publish + 1, len(calls) + 1):
        case = Case(base, tmp_path / "data", name)
        assert builders.finish(case.data, case.arguments, killed_before=step) == -signal.SIGKILL
        case.check()
