"""Builds, updates, crashes, removals and prunes of a data folder in any order: no published paper is ever missing."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from akin.papers import Paper
from retrieval_service.corpus import SnapshotDirectory, open_snapshot
from retrieval_service.errors import SnapshotInUse, SnapshotNotFound
from tests.fuzz.budget import examples
from tests.integration.generated import HashEncoder, build, generated_papers
from tests.integration.snapshots import update

pytestmark = pytest.mark.integration

PAPERS = generated_papers(12)
SOME = st.sets(st.integers(0, 11), min_size=1, max_size=6)
STEPS = (
    "retrieval_service.corpus.directory.sync_folder", "retrieval_service.corpus.directory.sync",
    "retrieval_service.corpus.directory.replace_file", "akin.indexing.snapshot_parts.write_manifest",
)  # fmt: skip
"""Steps of a publish, at each of which the process may end."""


class Killed(BaseException):
    """End of a process: nothing catches it on purpose."""


class Folder(RuleBasedStateMachine):
    """Data folder beside what it must hold: the papers of each published snapshot, and which one is live."""

    @initialize()
    def start(self) -> None:
        self.data = Path(tempfile.mkdtemp(prefix="akin-fuzz-"))
        self.encoder = HashEncoder()
        self.held: dict[str, dict[str, str]] = {}
        self.live: str | None = None

    def teardown(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)

    @property
    def snapshots(self) -> SnapshotDirectory:
        return SnapshotDirectory(self.data)

    def papers(self, numbers: set[int], words: str) -> list[Paper]:
        return [Paper(each.id, f"{words} {each.title}", each.abstract) for each in (PAPERS[n] for n in sorted(numbers))]

    def account(self, found: Any, papers: dict[str, str]) -> None:
        self.held[found.id] = papers
        self.live = found.id

    @rule(numbers=SOME, words=st.sampled_from(["one", "two"]))
    def build(self, numbers: set[int], words: str) -> None:
        papers = self.papers(numbers, words)
        self.account(build(papers, self.encoder, self.data), {paper.id: paper.title for paper in papers})

    @precondition(lambda self: self.live)
    @rule(numbers=SOME, words=st.sampled_from(["two", "three"]))
    def update(self, numbers: set[int], words: str) -> None:
        papers = self.papers(numbers, words)
        after = {**self.held[self.live or ""], **{paper.id: paper.title for paper in papers}}
        self.account(update(papers, self.encoder, self.data), after)

    @rule(numbers=SOME, step=st.sampled_from(STEPS), renames=st.booleans(), change=st.booleans())
    def crash(self, numbers: set[int], step: str, renames: bool, change: bool) -> None:
        """End a build or an update at a step, before or after it is done, and leave everything as it lies."""
        papers, before = self.papers(numbers, "lost"), set(self.snapshots.ids())

        def dies(*given: Any, **more: Any) -> Any:
            if renames:
                real(*given, **more)
            raise Killed

        module, _, name = step.rpartition(".")
        real = getattr(__import__(module, fromlist=[name]), name)
        # A killed process tidies nothing up.
        kept = mock.patch.object(SnapshotDirectory, "_remove_unpublished")
        work = update if change and self.live else build
        with kept, mock.patch(step, dies), contextlib.suppress(Killed):
            work(papers, self.encoder, self.data)
        expected = {paper.id: paper.title for paper in papers}
        if work is update:
            expected = {**self.held[self.live or ""], **expected}
        for name in set(self.snapshots.ids()) - before:
            self.held[name] = expected
        self.live = self.snapshots.current()

    @rule(numbers=SOME, batch=st.integers(0, 2))
    def encoder_fails(self, numbers: set[int], batch: int) -> None:
        papers, left = self.papers(numbers, "unembedded"), [batch]
        embed = self.encoder.embed_passages

        async def fails(texts: Sequence[str], input_type: Any = "passage") -> Any:
            if not left[0]:
                raise RuntimeError("the encoder broke")
            left[0] -= 1
            return await embed(texts, input_type)

        found = None
        with mock.patch.object(self.encoder, "embed_passages", fails), contextlib.suppress(Exception):
            found = build(papers, self.encoder, self.data)
        if found is not None:  # all vectors were stored already
            self.account(found, {paper.id: paper.title for paper in papers})

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def use(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        self.snapshots.use(name)
        self.live = name

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        try:
            self.snapshots.remove(name)
        except SnapshotInUse:
            assert name == self.live
        else:
            assert name != self.live
            del self.held[name]

    @rule(keep=st.integers(0, 3))
    def prune(self, keep: int) -> None:
        newest = sorted(self.held, reverse=True)[:keep]
        removed = self.snapshots.prune(keep)
        assert set(removed) == set(self.held) - {*newest, self.live}
        for name in removed:
            del self.held[name]

    @rule(name=st.sampled_from(["../snapshots", ".", "", "..", "/etc", ".lock", "a/b", "CURRENT", "nothing"]))
    def wrong_names(self, name: str) -> None:
        for act in (self.snapshots.use, self.snapshots.remove, self.snapshots.path):
            with pytest.raises(SnapshotNotFound):
                act(name)

    @invariant()
    def every_published_snapshot_is_whole(self) -> None:
        if not hasattr(self, "held"):
            return
        assert self.snapshots.ids() == sorted(self.held, reverse=True)
        assert self.snapshots.current() == self.live

    @invariant()
    def the_live_snapshot_has_its_papers(self) -> None:
        if getattr(self, "live", None) is None:
            return
        snapshot = open_snapshot(self.snapshots.path(self.live or ""))
        try:
            wanted = self.held[self.live or ""]
            rows = range(snapshot.manifest.papers)
            assert {paper.id: paper.title for paper in snapshot.catalogue.papers(rows)} == wanted
        finally:
            snapshot.close()


Folder.TestCase.settings = examples(6, 60, steps=8)
TestFolder = Folder.TestCase
