"""Publish editions to an object store, choose the one that a channel serves, and remove old ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from akin import bundles, sources
from akin.bundles import Place
from akin.errors import BucketError
from akin.fleet.edition import (
    DEFAULT_CHANNEL,
    MODELS,
    SNAPSHOTS,
    Edition,
    check_channel,
    delete_editions,
    list_editions,
    part,
    read_channel,
    read_channels,
    read_edition,
    read_editions,
    write_channel,
    write_edition,
)
from akin.registry.versions import promoted_version
from akin.stack_settings import Settings

Say = Callable[[str], None]


def publish(
    settings: Settings, address: str, say: Say, *, channel: str = DEFAULT_CHANNEL, snapshot: str | None = None
) -> Edition:
    """Push a snapshot and the promoted models as one edition, and make a channel serve it.

    Args:
        settings: The folders of the data and of the models.
        address: The store.
        say: Called with messages.
        channel: The channel.
        snapshot: The id of a snapshot; None for the live one.

    Raises:
        EncoderError: Nothing is promoted.
        BucketError: Another encoder than the promoted one made the snapshot, or the store cannot be written. The
            channel names what it named before.
    """
    from retrieval_service.corpus.directory import SnapshotDirectory
    from retrieval_service.corpus.manifest import read_manifest
    from retrieval_service.errors import RetrievalError

    check_channel(channel)
    place, snapshots = Place(address), SnapshotDirectory(settings.data)
    promoted = promoted_version(settings.repository)
    try:
        name = snapshot or snapshots.current()
        if name is None:
            raise BucketError(f"there is no snapshot in {settings.data}: run `akin index build sample` first.")
        made_by = read_manifest(snapshots.path(name)).encoder
    except RetrievalError as error:
        raise BucketError(str(error)) from error
    if made_by.digest != promoted.digest:
        raise BucketError(
            f"snapshot {name} was made by encoder {made_by.digest[:12]}, and version {promoted.number} "
            f"({promoted.digest[:12]}) is promoted: they are no pair. Build the index again (akin index build), or "
            "promote the encoder that made it (akin encoder list, akin encoder promote)."
        )
    for folder in (MODELS, SNAPSHOTS):
        _make_folder(place, folder)
    models = sources.push_models(settings.repository, f"{place.address}/{MODELS}", (), say)
    pushed = sources.push_snapshot(settings.data, f"{place.address}/{SNAPSHOTS}", name, say)
    edition = Edition(
        snapshot=name, snapshot_bundle=pushed.digest, models_bundle=models.digest, version=promoted.number,
        encoder=promoted.digest, published=datetime.now(UTC),
    )  # fmt: skip
    write_edition(place, edition)
    write_channel(place, channel, edition)
    say(f"channel {channel} of {place.address} serves {edition}")
    return edition


def use(address: str, named: str, channel: str, say: Say) -> Edition:
    """Make a channel serve an edition of the store: an older one, or the one that another channel serves.

    Args:
        address: The store.
        named: The first letters of the edition's digest, eight at least, or the name of a channel.
        channel: The channel to change.
        say: Called with messages.

    Raises:
        BucketError: There is no such edition, its bundles were removed, or the store cannot be written.
    """
    check_channel(channel)
    place = Place(address)
    if named in (channels := read_channels(place)):
        edition = read_channel(place, named)
    else:
        there = list_editions(place)
        found = [digest for digest in there if re.fullmatch("[0-9a-f]{8,64}", named) and digest.startswith(named)]
        if len(found) != 1:
            known = ", ".join([*channels, *(digest[:12] for digest in there)]) or "nothing"
            raise BucketError(f"{place.address} has no edition or channel {named!r} (it has: {known}).")
        edition = read_edition(place, found[0])
    bundles.read_bundle(part(place, MODELS), edition.models_bundle, "models")
    bundles.read_bundle(part(place, SNAPSHOTS), edition.snapshot_bundle, "snapshot")
    write_channel(place, channel, edition)
    say(f"channel {channel} of {place.address} serves {edition}")
    return edition


def prune(address: str, keep: int, say: Say) -> list[Edition]:
    """Remove all editions but the newest and those that channels name, with what only they had; return them.

    Raises:
        BucketError: The store cannot be read or written.
    """
    place = Place(address)
    named = set(read_channels(place).values())
    editions = read_editions(place)
    old = [each for each in editions[keep:] if each.digest not in named]
    kept = [each for each in editions if each not in old]
    if not kept:
        return []
    # Editions first: while one is there, its bundles are.
    delete_editions(place, old)
    bundles.prune(part(place, MODELS), tuple(each.models_bundle for each in kept))
    bundles.prune(part(place, SNAPSHOTS), tuple(each.snapshot_bundle for each in kept))
    say(f"{len(old)} editions removed, {len(kept)} kept")
    return old


def _make_folder(store: Place, name: str) -> None:
    """Make a folder of a store on a disk; a bucket needs none.

    Raises:
        BucketError: There is no store, or it cannot be written.
    """
    if store.scheme != "file":
        return
    folder = Path(unquote(urlsplit(store.address).path))
    if not folder.is_dir():
        raise BucketError(f"{store.address}: there is no such folder: make it before the first push.")
    try:
        (folder / name).mkdir(exist_ok=True)
    except OSError as error:
        raise BucketError(
            f"{store.address}/{name} cannot be made: {error.strerror}. Correct it, or name another folder."
        ) from error
