"""Collection for the measurement of index search: texts, their vectors, and queries.

    recipe.json              source and parameters
    texts/00000.txt …        kind, paper and text, a tab between them, a line each; 10,000 lines a shard
    vectors/00000.f16.npy …  their vectors, float16 [10000, dim]
    texts/queries.txt and vectors/queries.f16.npy

Texts are in random order, so the first shards are a sample of all: the first 600,000 of 2.5 million, for example.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from akin.papers.readers import read_papers
from akin.storage.digest import file_digest
from akin.storage.durable import replace_file
from benchmarks.environment import cores
from benchmarks.retrieval.shards import SHARD
from benchmarks.retrieval.texts import RECIPE_VERSION, TEXT_SHARES, Text, cut_texts


class TextCollection:
    """Collection in one folder.

    Attributes:
        folder: The folder.
        recipe: The content of `recipe.json`.
    """

    def __init__(self, folder: Path) -> None:
        """Open the collection that `prepare_collection` has made there."""
        self.folder = folder
        self.recipe = json.loads((folder / "recipe.json").read_bytes())

    @property
    def embedded(self) -> int:
        """The number of texts, from the first, that have vectors."""
        shards = 0
        while self.path(_name(shards)).exists():
            shards += 1
        return min(shards * SHARD, int(self.recipe["texts"]))

    def texts(self, count: int) -> Iterable[Text]:
        """Yield the first `count` texts."""
        for at in range(0, count, SHARD):
            yield from _read(self.folder / "texts" / f"{_name(at // SHARD)}.txt")[: count - at]

    def path(self, name: str) -> Path:
        """Return the file of the vectors of one shard or of the queries."""
        return self.folder / "vectors" / f"{name}.f16.npy"


def prepare_collection(
    source: Path, folder: Path, count: int, encoder_digest: str, say: Callable[[str], None]
) -> TextCollection:
    """Write the texts of a collection, unless they exist.

    Raises:
        SystemExit: The folder holds a collection of another recipe, source or encoder.
    """
    recipe = {
        "version": RECIPE_VERSION,
        "source_sha256": file_digest(source),
        "asked": count,
        "encoder": encoder_digest,
    }
    if (folder / "recipe.json").exists():
        collection = TextCollection(folder)
        if any(collection.recipe.get(name) != value for name, value in recipe.items()):
            raise SystemExit(
                f"{folder} holds a collection of another recipe, source or encoder: name another folder with --folder"
            )
        return collection
    say(f"cutting {source.name} into {count:,} texts")
    texts, queries = cut_texts(read_papers(source), count)
    (folder / "texts").mkdir(parents=True, exist_ok=True)
    (folder / "vectors").mkdir(exist_ok=True)
    for at in range(0, len(texts), SHARD):
        _write(folder / "texts" / f"{_name(at // SHARD)}.txt", texts[at : at + SHARD])
    _write(folder / "texts" / "queries.txt", queries)
    kinds = {kind: sum(text.kind == kind for text in texts) for kind in TEXT_SHARES}
    counts = {"texts": len(texts), "queries": len(queries), "kinds": kinds}
    replace_file(folder / "recipe.json", json.dumps(recipe | counts, indent=1).encode())
    return TextCollection(folder)


def embed_collection(
    collection: TextCollection, count: int, encoder: Path, python: Path, say: Callable[[str], None], workers: int = 0
) -> None:
    """Embed those of the queries and the first `count` texts that have no vectors yet.

    Args:
        collection: The collection.
        count: The number of texts.
        encoder: The encoder's version folder.
        python: The interpreter that Triton runs the encoder in.
        say: Receives messages about the progress.
        workers: Processes of one thread each; 0 means one for each core.

    Raises:
        SystemExit: A process failed.
    """
    shards = -(-count // SHARD)
    missing = [name for name in ("queries", *map(_name, range(shards))) if not collection.path(name).exists()]
    if not missing:
        return
    workers = workers or cores()
    say(f"embedding {len(missing)} shards of {SHARD:,} texts in {workers} processes")
    program = [python, Path(__file__).with_name("embed.py"), encoder, collection.folder]
    processes = [subprocess.Popen([*program, *missing[part::workers]]) for part in range(workers)]
    try:
        for process in processes:
            if process.wait():
                raise SystemExit(f"embedding failed with exit code {process.returncode}; run it again to continue")
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def _name(shard: int) -> str:
    return f"{shard:05}"


def _write(path: Path, texts: list[Text]) -> None:
    lines = (f"{text.kind}\t{text.paper}\t{text.text}\n" for text in texts)
    replace_file(path, "".join(lines).encode("utf-8", "surrogatepass"))


def _read(path: Path) -> list[Text]:
    # Not splitlines: it splits at more characters, and abstracts contain some of them.
    lines = path.read_bytes().decode("utf-8", "surrogatepass").split("\n")[:-1]
    return [Text(*line.split("\t", 2)) for line in lines]
