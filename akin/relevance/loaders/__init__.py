"""Read test collections of any known format.

To add a format, add a line to `FORMATS`; docs/evaluation.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from akin.relevance.collection import Collection
from akin.relevance.errors import RelevanceError
from akin.relevance.loaders.beir import JUDGEMENTS, SPLITS, is_beir, read_beir
from akin.relevance.loaders.csfcube import is_csfcube, read_csfcube
from akin.relevance.loaders.dataset_parts import has_parts, read_parts
from akin.relevance.loaders.doris_mae import is_doris_mae, read_doris_mae
from akin.relevance.loaders.inside import is_inside, read_inside
from akin.relevance.loaders.litsearch import is_litsearch, read_litsearch
from akin.relevance.loaders.mteb_task import is_mteb_task, read_mteb_task
from akin.relevance.loaders.scirepeval import is_scirepeval, read_scirepeval
from akin.relevance.loaders.trec_covid import is_trec_covid, read_trec_covid


class Format(NamedTuple):
    """A format of test collections.

    Attributes:
        name: name in messages and in the docs.
        fits: returns True for a folder of this format.
        read: reads the collections of a folder.
    """

    name: str
    fits: Callable[[Path], bool]
    read: Callable[[Path], list[Collection]]


FORMATS: tuple[Format, ...] = (
    Format("set inside a larger corpus", is_inside, read_inside),
    Format("CSFCube", is_csfcube, read_csfcube),
    Format("DORIS-MAE", is_doris_mae, read_doris_mae),
    Format("LitSearch", is_litsearch, read_litsearch),
    Format("SciRepEval", is_scirepeval, read_scirepeval),
    Format("TREC-COVID", is_trec_covid, read_trec_covid),
    Format("NanoBEIR", has_parts, read_parts),
    Format("BEIR", is_beir, read_beir),
    Format("mteb", is_mteb_task, read_mteb_task),
)
"""Formats in the order in which a folder is tried."""


def read_collections(folders: Sequence[Path]) -> list[Collection]:
    """Read several collections; a folder that is given twice is read once.

    A folder is in one of `FORMATS`, or holds folders that are. In BEIR's layout, a file of judgements in place of the
    folder chooses the part of the queries: `scifact/qrels/train.tsv`.

    Raises:
        RelevanceError: A collection cannot be read, or two of them have the same name.
    """
    found: dict[str, Collection] = {}
    for folder in folders:
        for collection in _read(folder):
            earlier = found.setdefault(collection.name, collection)
            if earlier.folder.resolve() != collection.folder.resolve():
                raise RelevanceError(
                    f"{earlier.folder} and {collection.folder} are both called {collection.name}: rename one of them."
                )
    return list(found.values())


def read_collection(folder: Path) -> Collection:
    """Read the queries and judgements of a folder that holds one collection.

    Raises:
        RelevanceError: A file is missing, a line cannot be parsed, no passage is relevant, or there are several.
    """
    collections = _read(folder)
    if len(collections) > 1:
        names = ", ".join(collection.name for collection in collections)
        raise RelevanceError(f"{folder} holds several collections ({names}), where one is needed.")
    return collections[0]


def format_of(folder: Path) -> str | None:
    """Return the name of a folder's format by the files that are in it; None if it has none. Nothing large is read."""
    return found.name if (found := _fitting(folder)) else None


def _read(folder: Path) -> list[Collection]:
    if folder.is_file():
        if folder.suffix not in SPLITS or folder.resolve().parent.name != JUDGEMENTS:
            raise RelevanceError(
                f"{folder} is a file. Give the folder of a test collection, or one of its files of judgements, such as "
                f"scifact/{JUDGEMENTS}/train.tsv."
            )
        return read_beir(folder.resolve().parent.parent, folder)
    if found := _fitting(folder):
        return found.read(folder)
    if folder.is_dir():
        inside = [(each, path) for path in sorted(folder.iterdir()) if path.is_dir() and (each := _fitting(path))]
        if inside:
            return [collection for each, path in inside for collection in each.read(path)]
    if not folder.exists():
        raise RelevanceError(f"{folder} does not exist. Give the folder of a test collection (docs/evaluation.md).")
    return read_beir(folder)  # names what is missing


def _fitting(folder: Path) -> Format | None:
    return next((each for each in FORMATS if each.fits(folder)), None)
