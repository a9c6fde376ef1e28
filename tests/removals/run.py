"""Take out one protection after the other in a copy of the project, and check that its tests fail without it.

The `*.toml` files of this folder have the protections: for each one the row of SECURITY.md or docs/reliability.md, the
texts that are taken out, and the tests that must fail. A text that is not in its file exactly once is an error, so that
a change of the code is noticed. Nothing of the working tree is changed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
# What git ignores and tests need: environments, the server, files of KaTeX, the encoder of the tests.
_LINKED = (".venv", ".venv-training", ".triton", ".cache", "gradio_ui/katex")
_MARKS = "chaos or long or not chaos"  # all tests
# Without its protection a test may wait without end. A busy machine needs minutes to start the real stack.
_SECONDS, _SECONDS_IF_SLOW = 120, 900


@dataclass(frozen=True)
class Edit:
    """Text of a file, and what replaces it."""

    file: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Replace the text.

        Raises:
            ValueError: The text is not in the file exactly once.
        """
        path = root / self.file
        text = path.read_text("utf-8")
        if (times := text.count(self.old)) != 1:
            raise ValueError(
                f"{self.file} has {self.old!r} {times} times: the code has changed, so name what protects now in "
                "tests/removals/"
            )
        path.write_text(text.replace(self.old, self.new), "utf-8")


@dataclass(frozen=True)
class Removal:
    """Protection that is taken out.

    Attributes:
        row: First cell of the row that promises it.
        edits: What is taken out; several where one protection stands behind another.
        tests: Tests, each of which must fail.
        slow: True if that takes minutes.
    """

    row: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]
    slow: bool


def read() -> list[Removal]:
    """Return all removals."""
    return [_removal(each) for path in sorted(FOLDER.glob("*.toml")) for each in _table(path)["removal"]]


def of_libraries() -> dict[str, list[str]]:
    """Return, for each row, its tests of something that a library or the system does: there is nothing to take out."""
    found: dict[str, list[str]] = {}
    for path in FOLDER.glob("*.toml"):
        for each in _table(path).get("of_a_library", ()):
            found.setdefault(each["row"], []).extend(each["tests"])
    return found


def _table(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


def _removal(given: dict[str, Any]) -> Removal:
    edits = tuple(Edit(each["file"], each["old"], each["new"]) for each in (given, *given.get("also", ())))
    return Removal(given["row"], edits, tuple(given["tests"]), given.get("slow", False))


class Copy:
    """Copy of the project in which protections are taken out."""

    def __init__(self, root: Path) -> None:
        """Copy what git knows and what it does not ignore; link the rest that tests need."""
        self.root = root
        self._time = time.time()
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)
        for name in _LINKED:
            if (ROOT / name).exists() and not (root / name).exists():
                (root / name).symlink_to((ROOT / name).resolve())

    @contextmanager
    def without(self, removal: Removal) -> Iterator[None]:
        """Take a protection out for the block."""
        kept = {edit.file: (self.root / edit.file).read_bytes() for edit in removal.edits}
        try:
            for edit in removal.edits:
                edit.apply(self.root)
            self._touch(kept)
            yield
        finally:
            for name, content in kept.items():
                (self.root / name).write_bytes(content)
            self._touch(kept)

    def _touch(self, names: dict[str, bytes]) -> None:
        """Give files another time, in whole seconds, as Python takes compiled files of the same time for theirs."""
        self._time += 2
        for name in names:
            os.utime(self.root / name, (self._time, self._time))

    def test(self, *tests: str, seconds: int = _SECONDS) -> tuple[int, str]:
        """Run tests up to the first failure; return how many passed, and that failure; empty if there is none.

        Args:
            tests: The tests.
            seconds: The longest time of each that sets none itself.
        """
        report = self.root / "report.xml"
        report.unlink(missing_ok=True)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            _MARKS,
            "-o",
            f"timeout={seconds}",
        ]
        environment = {**os.environ, "PYTHONPATH": str(self.root)}
        done = subprocess.run(
            [*command, f"--junitxml={report}", *tests], cwd=self.root, env=environment, capture_output=True, text=True
        )
        if not report.exists():
            return 0, f"error: pytest ended with {done.returncode}: {done.stdout[-400:]}"
        cases = list(ElementTree.parse(report).iter("testcase"))
        for kind in ("failure", "error"):
            for found in (case.find(kind) for case in cases):
                if found is not None:
                    return 0, f"{kind}: {(found.get('message') or '').strip().partition(chr(10))[0][:160]}"
        return sum(case.find("skipped") is None for case in cases), ""


def _show(copy: Copy, removal: Removal) -> list[str]:
    """Take a protection out; return the objections, for each test that does not fail."""
    said: list[str] = []
    with copy.without(removal):
        for test in removal.tests:
            passed, failure = copy.test(test, seconds=_SECONDS_IF_SLOW if removal.slow else _SECONDS)
            if failure.startswith("failure:"):
                print(f"  fails: {test.partition('::')[2]}: {failure.removeprefix('failure: ')}", flush=True)
            elif failure:
                said.append(f"{test} does not fail but breaks: {failure}")
            else:
                said.append(f"{test} {'passes all the same' if passed else 'is skipped here'}")
    return said


def main() -> int:
    """Show the protections that the command line chooses; return 1 if a test does not fail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a part of a row, a file or a test")
    parser.add_argument("--slow", action="store_true", help="also those that take minutes each")
    parser.add_argument("--unchanged", action="store_true", help="first run all these tests with nothing taken out")
    options = parser.parse_args()
    chosen = [
        each
        for each in read()
        if (options.slow or not each.slow)
        and options.only in "\n".join((each.row, *each.tests, *(edit.file for edit in each.edits)))
    ]
    objections: list[str] = []
    with tempfile.TemporaryDirectory(prefix="akin-removals-") as folder:
        copy = Copy(Path(folder))
        if options.unchanged:
            seconds = _SECONDS_IF_SLOW if options.slow else _SECONDS
            _, failure = copy.test(*dict.fromkeys(test for each in chosen for test in each.tests), seconds=seconds)
            objections += [f"with nothing taken out: {failure}"] if failure else []
        for number, removal in enumerate(chosen, 1):
            print(f"{number} of {len(chosen)}: {removal.row} ({removal.edits[0].file})", flush=True)
            for objection in _show(copy, removal):
                print(f"  NOT SHOWN: {objection}", flush=True)
                objections.append(f"{removal.row}: {objection}")
    print(f"{len(chosen)} protections taken out, {len(objections)} times unnoticed")
    for objection in objections:
        print(objection, file=sys.stderr)
    return 1 if objections or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
