"""Read test collections of any known format.

To add a format, add a line to `FORMATS`; docs/evaluation.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from relevance.collection import Collection
from relevance.errors import RelevanceError
from relevance.loaders.beir import is_beir, read_beir
from relevance.loaders.inside import is_inside, read_inside


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
    Format("BEIR", is_beir, read_beir),
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


def _read(folder: Path) -> list[Collection]:
    if folder.suffix == ".tsv" and folder.is_file():
        return read_beir(folder.resolve().parent.parent, folder)
    if found := _fitting(folder):
        return found.read(folder)
    if folder.is_dir():
        inside = [(each, path) for path in sorted(folder.iterdir()) if path.is_dir() and (each := _fitting(path))]
        if inside:
            return [collection for each, path in inside for collection in each.read(path)]
    return read_beir(folder)  # names what is missing


def _fitting(folder: Path) -> Format | None:
    return next((each for each in FORMATS if each.fits(folder)), None)
