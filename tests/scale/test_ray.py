"""Embed on a cluster of Ray of two nodes, while actors and nodes are killed (make test-scale)."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from pyarrow import parquet

from akin.indexing.bulk.embed import embed_here, embed_papers
from akin.indexing.bulk.encoders import EncoderPlan
from akin.indexing.bulk.files import EmbeddingManifest
from akin.indexing.bulk.on_ray import RayOptions, ray_engine
from akin.indexing.bulk.shards import find_sources
from retrieval_service.errors import SnapshotError

pytestmark = [
    pytest.mark.scale,
    pytest.mark.filterwarnings("ignore", "error:.*will be removed in Ray"),
    pytest.mark.timeout(1200),
]
if find_spec("ray") is None:  # not imported yet: the cluster sets what Ray reads then
    pytest.skip("Ray is not installed here", allow_module_level=True)
from benchmarks.ray_cluster import Cluster  # noqa: E402  # it imports Ray

PAPERS, SHARD, DIM = 480, 20, 8
RUNTIME = """
import hashlib, json, os, time
from pathlib import Path
import numpy as np

class TextEncoder:
    def __init__(self, folder, threads=0):
        manifest = json.loads((folder / "manifest.json").read_text())
        self.digest, self.seen = manifest["digest"], manifest["seen"]
        if manifest.get("refuses"):
            raise ValueError("the graph is not for this machine")

    def encode(self, texts, input_type):
        if self.seen:
            (Path(self.seen) / str(os.getpid())).touch()
            time.sleep(0.15)
        rows = [np.frombuffer(hashlib.sha256(text.encode()).digest(), "<u4") / 2**32 for text in texts]
        vectors = np.array(rows, np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), None
"""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:  # sockets have short names
        made = Cluster(folder)
        yield made
        made.close()


@pytest.fixture
def papers(tmp_path: Path) -> list[str]:
    """Return the ids of the papers in two files of a folder."""
    ids = [f"2001.{10000 + number}" for number in range(PAPERS)]
    (tmp_path / "in").mkdir()
    for part, some in enumerate((ids[:300], ids[300:])):
        lines = [json.dumps({"id": each, "title": f"Title of {each}", "abstract": f"Text {each}."}) for each in some]
        (tmp_path / "in" / f"part-{part}.jsonl").write_text("\n".join(lines) + "\n")
    return ids


def plan(seen: Path | None = None, **more: object) -> EncoderPlan:
    manifest = json.dumps({"digest": "a" * 64, "seen": str(seen or ""), **more})
    return EncoderPlan("a" * 64, 1, DIM, files={"runtime.py": RUNTIME.encode(), "manifest.json": manifest.encode()})


def run(folder: Path, options: RayOptions | None, made_by: EncoderPlan) -> EmbeddingManifest:
    engine = embed_here if options is None else ray_engine(options)
    return embed_papers(find_sources([str(folder.parent / "in")]), str(folder), made_by, engine, SHARD, lambda _: None)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def when_embedding(seen: Path, folder: Path, act: Any) -> threading.Thread:
    """Act in a thread as soon as both actors have embedded and some files are written."""

    def wait() -> None:
        while len(list(seen.iterdir())) < 2 or len(contents(folder)) < 4:
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_both_engines_write_the_same_files_though_actors_and_a_node_are_killed(
    tmp_path: Path, cluster: Cluster, papers: list[str]
) -> None:
    run(tmp_path / "here", None, plan())

    def kill_actor() -> None:
        os.kill(int(next((tmp_path / "seen actor").iterdir()).name), signal.SIGKILL)

    for name, act in (("actor", kill_actor), ("node", cluster.kill_second)):
        seen, out = tmp_path / f"seen {name}", tmp_path / name
        seen.mkdir()
        thread = when_embedding(seen, out, act)
        made = run(out, RayOptions(cluster.address, least=2), plan(seen))
        assert not thread.is_alive(), f"the {name} was not killed while embedding"
        assert made.papers == made.embedded == PAPERS
        found = [each for part in sorted(made.files) for each in parquet.read_table(out / part)["paper"].to_pylist()]
        assert found == papers
        assert contents(out) == contents(tmp_path / "here")
    # Finished files are kept; what is lost is made again, and nothing else.
    (out / "part-1.jsonl-00003.parquet").unlink()
    again = run(out, RayOptions(cluster.address), plan())
    assert again.embedded == SHARD
    assert contents(out) == contents(tmp_path / "here")


def test_what_fails_in_an_actor_is_said_in_one_line(tmp_path: Path, papers: list[str]) -> None:
    with pytest.raises(SnapshotError, match=r"^Ray stopped: .*the graph is not for this machine.*repeat the command"):
        run(tmp_path / "out", RayOptions(), plan(refuses=True))


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray", "10.0.0.1:port", "ray://127.0.0.1:10001/x"])
def test_an_address_without_a_cluster_is_refused(tmp_path: Path, papers: list[str], address: str) -> None:
    with pytest.raises(SnapshotError, match=f"no cluster of Ray can be used at {address}: .*ray start --head"):
        run(tmp_path / "out", RayOptions(address), plan())


def test_more_cores_than_there_are_are_refused(tmp_path: Path, papers: list[str]) -> None:
    with pytest.raises(SnapshotError, match=r"has \d+ cores, and an actor needs 4096"):
        run(tmp_path / "out", RayOptions(cores=4096), plan())
