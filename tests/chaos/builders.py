"""Run commands of `akin` in processes that can be killed at any moment, with an encoder that needs no Triton.

A server process has everything imported and forks one process for each command, so that a command takes its own time
only.
"""

from __future__ import annotations

import asyncio
import io
import json
import multiprocessing
import os
import resource
import signal
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import akin.cli
import akin.indexing.build
import akin.indexing.update
import akin.snapshots
from akin.papers import Paper
from retrieval_service.corpus import SnapshotDirectory, open_snapshot, verify_snapshot
from tests.chaos.power_cut import CALLS
from tests.integration.generated import HashEncoder, hashed

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


def start(data: Path, arguments: Sequence[str], *, killed_before: int = 0, megabytes: int = 0) -> BaseProcess:
    """Start a command over a data folder; it kills itself before its n-th call that changes names or syncs, if given.

    The file `started` shows that it has begun its work; at its end, the file `calls` lists those calls. With
    `megabytes`, it may use so much more memory than it has at its beginning.
    """
    process = _CONTEXT.Process(target=_run, args=(str(data), list(arguments), killed_before, megabytes))
    process.start()
    return process


def finish(data: Path, arguments: Sequence[str], *, killed_before: int = 0, megabytes: int = 0) -> int:
    """Run a command to its end and return its exit status, negative for a signal."""
    process = start(data, arguments, killed_before=killed_before, megabytes=megabytes)
    process.join(120)
    status = process.exitcode
    process.close()
    assert status is not None, "the command did not end"
    return status


def _run(data: str, arguments: list[str], killed_before: int, megabytes: int) -> None:
    os.environ |= {"AKIN_DATA": data, "AKIN_MODEL_REPOSITORY": f"{data}/models"}
    akin.snapshots.use_encoder = lambda settings, work, *, say: asyncio.run(work(HashEncoder()))  # type: ignore[assignment]
    calls = _list_calls(killed_before)
    if megabytes:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 1_000_000, resource.RLIM_INFINITY))
    Path(data, "started").touch()
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            akin.cli.app(arguments, standalone_mode=False)
    finally:
        Path(data, "said").write_text(said.getvalue())
        Path(data, "calls").write_text("\n".join(calls))


def _list_calls(killed_before: int) -> list[str]:
    calls: list[str] = []

    def listed(name: str, call: Any) -> Any:
        def run(*arguments: Any, **options: Any) -> Any:
            calls.append(f"{name} {' '.join(map(str, arguments))}")
            if len(calls) == killed_before:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return run

    for name in CALLS:
        setattr(os, name, listed(name, getattr(os, name)))
    return calls


def write_papers(path: Path, papers: Sequence[Paper]) -> None:
    """Write papers as JSON lines."""
    lines = [
        json.dumps({"id": each.id, "title": each.title, "abstract": each.abstract, "categories": list(each.categories)})
        for each in papers
    ]
    path.write_text("\n".join(lines) + "\n")


def searched(data: Path) -> set[str]:
    """Return the ids of the papers that are live; each must be found by its text, and every snapshot be whole."""
    directory = SnapshotDirectory(data)
    for name in directory.ids():
        assert verify_snapshot(directory.path(name)) == []
    current = directory.current()
    assert current is not None
    snapshot = open_snapshot(directory.path(current))
    try:
        papers = snapshot.catalogue.papers(range(len(snapshot.catalogue)))
        for row in range(0, len(papers), 7):
            nearest = snapshot.vectors.search(hashed(f"{papers[row].title}. {papers[row].abstract}"), 1)
            assert nearest.rows.tolist() == [row]
        return {paper.id for paper in papers}
    finally:
        snapshot.close()


def leftovers(data: Path) -> list[str]:
    """Return what killed commands have left below the data folder."""
    return sorted(path.name for path in data.glob("**/.building-*"))
