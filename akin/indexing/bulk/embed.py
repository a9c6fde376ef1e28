"""Embed papers into a folder of Parquet files: what is finished is kept, what is not is made by an engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import NamedTuple

import msgspec

from akin.indexing.bulk.encoders import EncoderPlan, PassageEncoder, open_encoder
from akin.indexing.bulk.files import (
    FORMAT,
    MANIFEST,
    SUFFIX,
    EmbeddingManifest,
    FileRecord,
    describe,
    read_content,
    read_manifest,
    require_pyarrow,
    write_manifest,
    write_parquet,
)
from akin.indexing.bulk.folder import Folder, open_folder
from akin.indexing.bulk.shards import Shard, Source, read_shards
from akin.indexing.options import OnProgress, Progress
from akin.papers import PASSAGE_TEXT_VERSION
from retrieval_service.corpus.manifest import EncoderRecord
from retrieval_service.errors import NoPapers, SnapshotError


class Made(NamedTuple):
    """Shard that an engine is done with.

    Attributes:
        name: Name of its file; empty for one without papers.
        papers: Number of its papers.
        rejected: Records that were not taken.
        content: The file; None if it was finished before.
    """

    name: str
    papers: int
    rejected: dict[str, int]
    content: bytes | None


Engine = Callable[[Sequence[Source], EncoderPlan, Mapping[str, str], int], Iterator[Made]]
"""Makes the shards of sources, each once, in any order: sources, encoder, digests of finished shards by name, size."""


def embed_papers(
    sources: Sequence[Source], to: str, plan: EncoderPlan, engine: Engine, size: int, report: OnProgress
) -> EmbeddingManifest:
    """Embed all papers of some sources into a folder; return its manifest.

    A file is written aside, synced and renamed. A repeated run skips the files whose papers and encoder agree, makes
    the others, and removes files of papers that the sources no longer have.

    Args:
        sources: Files of papers.
        to: Path or address of the folder.
        plan: The encoder.
        engine: Reads and embeds.
        size: Papers of a file.
        report: Called from time to time.

    Raises:
        SnapshotError: The folder has embeddings of another encoder, or the engine failed.
        NoPapers: The sources have no usable paper.
        PapersError: A source cannot be read to its end.
    """
    require_pyarrow()
    folder = open_folder(to)
    with folder.lock():
        before = read_manifest(folder)
        if before is not None and before.encoder.digest != plan.digest:
            raise SnapshotError(
                f"{folder.address} has vectors of encoder {before.encoder.digest[:12]}, and {plan.digest[:12]} is in "
                "use: give another folder by --to, or remove this one."
            )
        record = EncoderRecord(plan.version, plan.digest, plan.dim, plan.max_length)
        names = tuple(each.name for each in sources)
        write_manifest(folder, EmbeddingManifest(FORMAT, record, PASSAGE_TEXT_VERSION, sources=names))
        finished: dict[str, str] = {}
        known: dict[str, FileRecord] = {}
        for name in folder.sizes():
            if name.endswith(SUFFIX):
                content = folder.read(name) or b""
                if (digest := read_content(content, plan.digest)) is not None:
                    finished[name], known[name] = digest, describe(content, 0)
        files: dict[str, FileRecord] = {}
        rejected = Counter[str]()
        papers = embedded = 0
        with _leaving_nothing(folder, before):
            for made in engine(sources, plan, finished, size):
                rejected.update(made.rejected)
                if not made.name:
                    continue
                if made.content is None:
                    files[made.name] = msgspec.structs.replace(known[made.name], papers=made.papers)
                else:
                    folder.write(made.name, made.content)
                    files[made.name] = describe(made.content, made.papers)
                    embedded += made.papers
                papers += made.papers
                report(Progress("embed", papers, None, embedded))
            if not files:
                reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(rejected.items()))
                raise NoPapers(f"{', '.join(names)}: no usable paper{f' (rejected: {reasons})' if reasons else ''}.")
        folder.delete([name for name in folder.sizes() if name.endswith(SUFFIX) and name not in files])
        manifest = EmbeddingManifest(
            FORMAT,
            record,
            PASSAGE_TEXT_VERSION,
            complete=True,
            papers=papers,
            embedded=embedded,
            sources=names,
            rejected=dict(sorted(rejected.items())),
            files=dict(sorted(files.items())),
        )
        write_manifest(folder, manifest)
        return manifest


@contextmanager
def _leaving_nothing(folder: Folder, before: EmbeddingManifest | None) -> Iterator[None]:
    """Delete the manifest again if a failed run made no file: the next one may have another encoder."""
    try:
        yield
    except BaseException:
        if before is None and not any(name.endswith(SUFFIX) for name in folder.sizes()):
            folder.delete([MANIFEST])
        raise


def embed_here(sources: Sequence[Source], plan: EncoderPlan, finished: Mapping[str, str], size: int) -> Iterator[Made]:
    """Yield the shards of sources, embedded by this process; the next is read while one is embedded."""
    shards = (shard for source in sources for shard in read_shards(source, size))
    with closing(open_encoder(plan)) as encoder, ThreadPoolExecutor(1, "read") as reader:
        following = reader.submit(next, shards, None)
        while (shard := following.result()) is not None:
            following = reader.submit(next, shards, None)
            yield make(shard, encoder, plan, finished)


def make(shard: Shard, encoder: PassageEncoder, plan: EncoderPlan, finished: Mapping[str, str]) -> Made:
    """Return a shard with its file, which is made unless it is finished."""
    done = not shard.ids or finished.get(shard.name) == shard.content
    content = None if done else write_parquet(shard, encoder.embed(shard.texts), plan.digest)
    return Made(shard.name, len(shard.ids), shard.rejected, content)
