"""Describe an edition: a snapshot and the models that belong to it, and the channels that name one."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Annotated

import msgspec

from akin.bundles import NothingThere, Place
from akin.errors import BucketError

MODELS, SNAPSHOTS = "models", "snapshots"
DEFAULT_CHANNEL = "live"
_EDITIONS, _CHANNELS = "editions", "channels"
_FORMAT = 1
_MOST = 10_000
"""Bytes of an edition or of a channel, at most."""
_DIGEST = "^[0-9a-f]{64}$"
_CHANNEL = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")

Digest = Annotated[str, msgspec.Meta(pattern=_DIGEST)]
Name = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")]


class Edition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Snapshot and the models that belong to it.

    Attributes:
        snapshot: The snapshot's id.
        snapshot_bundle: The digest of its bundle.
        models_bundle: The digest of the bundle of models.
        version: The number of the encoder's version.
        encoder: The digest of the encoder, which made the snapshot's vectors.
        published: The time of its publication.
    """

    format: Annotated[int, msgspec.Meta(ge=1)] = _FORMAT
    snapshot: Name
    snapshot_bundle: Digest
    models_bundle: Digest
    version: Annotated[int, msgspec.Meta(ge=1)]
    encoder: Digest
    published: Annotated[datetime, msgspec.Meta(tz=True)]

    def encode(self) -> bytes:
        """Return the content of its object."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    @property
    def digest(self) -> str:
        """Return the SHA-256 of its content."""
        return hashlib.sha256(self.encode()).hexdigest()

    def __str__(self) -> str:
        return f"edition {self.digest[:12]} (snapshot {self.snapshot}, encoder version {self.version})"


def write_edition(place: Place, edition: Edition) -> None:
    """Store an edition whose bundles are complete in the store.

    Raises:
        BucketError: It cannot be written.
    """
    place.write(f"{_EDITIONS}/{edition.digest}.json", edition.encode())


def write_channel(place: Place, channel: str, edition: Edition) -> None:
    """Make the machines of a channel serve an edition, in one step.

    Raises:
        BucketError: The name cannot be used, or the store cannot be written.
    """
    place.write(f"{_CHANNELS}/{check_channel(channel)}", f"{edition.digest}\n".encode())


def read_channel(place: Place, channel: str) -> Edition:
    """Return the edition that a channel names.

    Raises:
        NothingThere: There is no such channel, or its edition was removed.
        BucketError: The store cannot be read, or what it has is damaged.
    """
    name = f"{_CHANNELS}/{check_channel(channel)}"
    try:
        digest = place.read(name, _MOST).decode("ascii", "replace").strip()
    except NothingThere as error:
        try:
            known = ", ".join(sorted(place.sizes(_CHANNELS))) or "none"
        except BucketError:  # the store is not there, or a web server has no lists
            raise error from None
        raise NothingThere(
            f"{place.address} has no channel {channel!r} (it has: {known}). `akin fleet publish {place.address} "
            f"--channel {channel}` makes it."
        ) from error
    if not re.fullmatch(_DIGEST, digest):
        raise BucketError(
            f"{place.address}/{name} holds no digest ({digest[:40]!r}): `akin fleet use` or `akin fleet publish` "
            "writes it again."
        )
    return read_edition(place, digest)


def read_edition(place: Place, digest: str) -> Edition:
    """Return an edition by its digest.

    Raises:
        NothingThere: There is no such edition.
        BucketError: The store cannot be read, or the edition is damaged or of a newer release.
    """
    name = f"{place.address}/{_EDITIONS}/{digest}.json"
    content = place.read(f"{_EDITIONS}/{digest}.json", _MOST)
    if hashlib.sha256(content).hexdigest() != digest:
        raise BucketError(f"{name} is damaged: its digest is another. Publish again.")
    try:
        found = msgspec.json.decode(content, type=_Format)
        if found.format != _FORMAT:
            raise BucketError(f"{name} has format {found.format}, and this release reads {_FORMAT}: update Akin.")
        return msgspec.json.decode(content, type=Edition)
    except msgspec.DecodeError as error:
        raise BucketError(f"{name} is no edition ({error}): publish again.") from error


def list_editions(place: Place) -> list[str]:
    """Return the digests of all editions, sorted.

    Raises:
        BucketError: The store cannot be read.
    """
    return sorted(name.removesuffix(".json") for name in place.sizes(_EDITIONS))


def read_editions(place: Place) -> list[Edition]:
    """Return all editions, the newest first.

    Raises:
        BucketError: The store cannot be read, or an edition is damaged.
    """
    return sorted(
        (read_edition(place, each) for each in list_editions(place)), key=lambda each: each.published, reverse=True
    )


def read_channels(place: Place) -> dict[str, str]:
    """Return the digest of the edition that each channel names.

    Raises:
        BucketError: The store cannot be read.
    """
    names = sorted(place.sizes(_CHANNELS))
    return {name: place.read(f"{_CHANNELS}/{name}", _MOST).decode("ascii", "replace").strip() for name in names}


def delete_editions(place: Place, editions: list[Edition]) -> None:
    """Delete editions that no channel names."""
    place.delete([f"{_EDITIONS}/{each.digest}.json" for each in editions])


def check_channel(channel: str) -> str:
    """Return the name of a channel.

    Raises:
        BucketError: It cannot be one.
    """
    if not _CHANNEL.fullmatch(channel):
        raise BucketError(
            f"{channel!r} is no name of a channel: use up to 40 lower-case letters, digits and dashes, such as `live`."
        )
    return channel


def part(place: Place, name: str) -> Place:
    """Return a folder of the store."""
    return Place(f"{place.address}/{name}")


class _Format(msgspec.Struct):
    format: int
