"""Compare embedding on a cluster of Ray of two nodes, one core each, with one process on the same two cores.

It runs in .venv-ray (`make bench-bulk`). A rate is that from the first finished file to the last, so that neither the
start of a process nor the loading of the encoder counts. Vectors are compared too.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from time import monotonic

import msgspec
import numpy as np

from akin.cli.output import say
from akin.indexing.bulk.embed import Engine, embed_here, embed_papers
from akin.indexing.bulk.encoders import EncoderPlan, plan_of
from akin.indexing.bulk.files import EmbeddingFolder
from akin.indexing.bulk.on_ray import RayOptions, ray_engine
from akin.indexing.bulk.shards import find_sources
from akin.indexing.options import Progress
from akin.papers import read_papers
from akin.registry.versions import MODEL, promoted_version
from akin.stack_settings import Settings
from benchmarks.ray_cluster import Cluster
from benchmarks.report import Row, write_and_print

_FILES = 4


def main() -> None:
    """Run both engines in turns; print the rates and the greatest difference of a vector."""
    parser = argparse.ArgumentParser(prog="benchmarks.bulk", description=__doc__)
    parser.add_argument("papers", type=Path, help="a file of papers")
    parser.add_argument("--papers", dest="count", type=int, default=8_000, help="papers to embed")
    parser.add_argument("--shard", type=int, default=250, help="papers of a Parquet file")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    settings = Settings.read()
    version = promoted_version(settings.repository)
    plan = plan_of(settings.repository / MODEL / str(version.number), version.number, version.manifest)
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        _write(folder / "in", options.papers, options.count)
        cluster = Cluster(str(folder / "ray"))
        try:
            rates: dict[str, list[float]] = {"one process": [], "Ray, two nodes": []}
            engines: dict[str, Engine] = {
                "one process": embed_here,
                "Ray, two nodes": ray_engine(RayOptions(cluster.address, least=2)),
            }
            for number in range(options.rounds):
                for name, engine in engines.items():
                    to = folder / f"{name} {number}"
                    rates[name].append(_rate(folder / "in", to, plan, engine, options.shard))
                    say(f"{name}: {rates[name][-1]:.1f} papers/s")
            apart = _apart(*(folder / f"{name} 0" for name in engines), digest=plan.digest)
        finally:
            cluster.close()
    best = {name: max(found) for name, found in rates.items()}
    one, ray = best.values()
    dataset = f"{options.count} papers"
    rows = [Row(name, dataset, "rate", value, "papers/s") for name, value in best.items()]
    rows += [Row("Ray, two nodes", dataset, "share of one process", ray / one)]
    rows += [Row("both", dataset, "greatest difference of a number in a vector", apart)]
    write_and_print("bulk", rows, settings.data / "benchmarks", say)


def _write(folder: Path, papers: Path, count: int) -> None:
    """Write papers into several files."""
    folder.mkdir()
    encode: Callable[[object], bytes] = msgspec.json.Encoder().encode
    with read_papers(papers) as reader:
        some = [{"id": each.id, "title": each.title, "abstract": each.abstract} for each in islice(reader, count)]
    for number in range(_FILES):
        lines = b"".join(encode(each) + b"\n" for each in some[number::_FILES])
        (folder / f"part-{number}.jsonl").write_bytes(lines)


def _rate(source: Path, to: Path, plan: EncoderPlan, engine: Engine, shard: int) -> float:
    """Return papers a second from the first finished file to the last."""
    times: list[tuple[float, int]] = []

    def report(progress: Progress) -> None:
        times.append((monotonic(), progress.done))

    embed_papers(find_sources([str(source)]), str(to), plan, engine, shard, report)
    (first, before), (last, done) = times[0], times[-1]
    return (done - before) / (last - first)


def _apart(one: Path, other: Path, *, digest: str) -> float:
    """Return the greatest difference of a number in the vectors of two folders, which must have the same papers."""
    apart = 0.0
    for mine, theirs in zip(EmbeddingFolder(str(one), digest), EmbeddingFolder(str(other), digest), strict=True):
        if mine.papers != theirs.papers or mine.texts != theirs.texts:
            raise SystemExit("the engines wrote different papers")
        apart = max(apart, float(np.abs(mine.vectors - theirs.vectors).max()))
    return apart


if __name__ == "__main__":
    main()
