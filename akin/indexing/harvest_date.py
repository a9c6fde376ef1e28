"""Decide up to which day a snapshot has the changes of its repository after an update with a harvest."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from retrieval_service.corpus.manifest import Manifest

if TYPE_CHECKING:
    from akin.papers.remote import Harvest


class Claim(NamedTuple):
    """Changes of a repository that a snapshot contains, for its manifest.

    Attributes:
        until: the day up to which it contains them; None if unknown.
        repository: address of the repository; None if unknown.
        unclaimed: why a harvest did not move the day; empty if it did, or if there was no harvest.
    """

    until: str | None
    repository: str | None
    unclaimed: str = ""


def claim_harvest(before: Manifest, newest: date | None, harvest: Harvest | None) -> Claim:
    """Return the changes that a snapshot contains after an update.

    A harvest moves the day if it is of the same repository and of the same or a larger set, and begins no later than
    the day up to which the snapshot has the changes. Otherwise the changes between the two days were never fetched.

    Args:
        before: the manifest of the snapshot before the update.
        newest: the day of its newest paper, used if its manifest names no day; None if no paper has a day.
        harvest: the harvest that wrote the source of the update; None for any other source.
    """
    unmoved = Claim(before.harvested, before.repository)
    if harvest is None:
        return unmoved
    known = before.repository or (_earlier_repository() if before.harvested else None)
    if known is not None and _normalise(known) != _normalise(harvest.url):
        return unmoved._replace(unclaimed=f"the harvest is of {harvest.url}, the snapshot of {known}")
    if harvest.subset not in (None, before.subset):
        of = f"of the set {before.subset}" if before.subset else "of every set"
        return unmoved._replace(unclaimed=f"the harvest is of the set {harvest.subset}, the snapshot {of}")
    until = before.harvested or (newest.isoformat() if newest else None)
    if harvest.since is not None and (until is None or harvest.since > until):
        has = f"has arXiv's changes only up to {until}" if until else "has no known harvest day"
        return unmoved._replace(
            unclaimed=f"the harvest begins on {harvest.since}, and the snapshot {has}: run akin index update oai"
        )
    return Claim(harvest.until or until, harvest.url)


def _earlier_repository() -> str:
    # Manifests with a day but no address were written when arXiv's own repository was the default.
    from akin.papers.remote import ARXIV

    return ARXIV


def _normalise(url: str) -> str:
    """Return an address in a form in which two spellings of one address are equal."""
    scheme, _, rest = url.strip().partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme.lower()}://{host.lower()}/{path.rstrip('/')}"
