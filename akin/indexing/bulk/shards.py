"""Find the files of papers that are embedded, and read each as shards: the papers of one output file.

A shard depends on nothing but its source, so that every engine makes the same shards, and a repeated run finds those
that are finished.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from hashlib import blake2b
from pathlib import Path, PurePosixPath

import msgspec

from akin.bundles.places import Place
from akin.indexing.embedding_store import text_digest
from akin.papers import passage_text, read_papers
from akin.papers.readers.mapping import parse_mapping
from retrieval_service.errors import SnapshotError

SHARD = 4096
"""Papers of an output file: some seconds of work on a GPU, a minute on a core, 6 MB of vectors of 384 numbers."""


class Source(msgspec.Struct, frozen=True):
    """File of papers.

    Attributes:
        name: What its shards are named after; no two sources have the same.
        address: Its path, or its address in a bucket.
        fields: Mapping of the fields of a file in another layout; None for the layouts that are recognised.
    """

    name: str
    address: str
    fields: str | None = None

    @property
    def remote(self) -> bool:
        """Return True if it is in a bucket or on a web server."""
        return "://" in self.address


class Shard(msgspec.Struct, frozen=True, dict=True):
    """Papers of one output file.

    Attributes:
        name: Name of the file; empty for a shard without papers, which has only the last rejected records.
        ids: Ids of the papers.
        texts: Their texts.
        rejected: Records of the source that were not taken since the shard before, by reason.
    """

    name: str
    ids: list[str]
    texts: list[str]
    rejected: dict[str, int]

    @cached_property
    def digests(self) -> list[bytes]:
        """Digests of the texts."""
        return [text_digest(text) for text in self.texts]

    @cached_property
    def content(self) -> str:
        """Digest over ids and texts."""
        digest = blake2b(digest_size=16)
        for paper, text in zip(self.ids, self.digests, strict=True):
            digest.update(f"{len(paper)} {paper} ".encode("utf-8", "surrogatepass") + text)
        return digest.hexdigest()


def find_sources(given: Sequence[str], fields: str | None = None) -> list[Source]:
    """Return the files that paths and addresses name; a folder stands for all files in it.

    Args:
        given: Paths of files and folders, or addresses of these, such as `s3://bucket/shards`. An address whose last
            part has a dot is that of a file.
        fields: Mapping of the fields of the files.

    Raises:
        SnapshotError: There is no such file, a folder has none, or two have the same name.
        MappingError: The mapping names no fields of papers.
        BucketError: A bucket cannot be listed.
    """
    if fields is not None:
        parse_mapping(fields)  # before anything is started
    found: dict[str, Source] = {}
    for each in given:
        for name, address in _files(each):
            slug = re.sub(r"[^\w.-]+", "_", name).lstrip("._")
            if (other := found.get(slug)) is not None:
                raise SnapshotError(
                    f"{other.address} and {address} have the same name, after which their embeddings are named: "
                    "rename one, or give the folder that has both."
                )
            found[slug] = Source(slug, address, fields)
    return list(found.values())


def read_shards(source: Source, size: int = SHARD) -> Iterator[Shard]:
    """Yield the papers of a source in shards of a size; a bounded number is in memory.

    Papers without a text and repeated ids are counted and left out.

    Raises:
        PapersError: The source cannot be read to its end.
        BucketError: The source cannot be fetched.
    """
    with _local(source) as path, read_papers(path, source.fields) as reader:
        number, before = 0, Counter[str]()
        without_text = 0
        ids: list[str] = []
        texts: list[str] = []

        def make(name: str) -> Shard:
            nonlocal before
            now = Counter({str(reason): count for reason, count in reader.report.rejected.items()})
            now["no_text"] += without_text
            shard = Shard(name, ids, texts, dict(now - before))
            before = now
            return shard

        for paper in reader:
            if text := passage_text(paper):
                ids.append(paper.id)
                texts.append(text)
            else:
                without_text += 1
            if len(ids) == size:
                yield make(f"{source.name}-{number:05}.parquet")
                number, ids, texts = number + 1, [], []
        last = make(f"{source.name}-{number:05}.parquet" if ids else "")
        if last.ids or last.rejected:
            yield last


def _files(given: str) -> Iterator[tuple[str, str]]:
    """Yield name and address of each file."""
    if "://" in given:
        last = given.rstrip("/").rpartition("/")[2]
        if "." in last and not given.endswith("/"):
            yield last, given
            return
        place = Place(given)
        names = sorted(name.lstrip("/") for name in place.sizes(""))
        addresses = {name: f"{place.address}/{name}" for name in names}
    else:
        path = Path(given).expanduser()
        if not path.is_dir():
            if not path.exists():
                raise SnapshotError(f"{given}: there is no such file or folder of papers.")
            yield path.name, str(path.absolute())
            return
        files = sorted(each for each in path.rglob("*") if each.is_file())
        addresses = {each.relative_to(path).as_posix(): str(each.absolute()) for each in files}
    papers = {name: address for name, address in addresses.items() if not _is_hidden(name)}
    if not papers:
        raise SnapshotError(f"{given} has no file of papers.")
    yield from papers.items()


def _is_hidden(name: str) -> bool:
    """Return True for names that start with a dot or an underscore, as those of marks such as `_SUCCESS` do."""
    return any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)


@contextmanager
def _local(source: Source) -> Iterator[Path]:
    """Yield the path of a source on this machine; one in a bucket is fetched to a file that is removed afterwards."""
    if not source.remote:
        yield Path(source.address)
        return
    folder, _, name = source.address.rpartition("/")
    with tempfile.TemporaryDirectory(prefix="akin-embed-") as aside:
        path = Path(aside) / name
        with path.open("wb") as file:
            for part in Place(folder).stream(name):
                file.write(part)
        yield path
