"""The day up to which a snapshot has its repository's changes, and when a harvest may move it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from retrieval_service.corpus.manifest import Manifest

if TYPE_CHECKING:
    from papers.remote import Harvest


class Claim(NamedTuple):
    """The claim of a manifest about the changes that are in.

    Attributes:
        until: the day up to which they are; None where that is not known.
        repository: whose changes; None where that is not known.
        unclaimed: why a harvest did not move the day, in words; empty where it did, and where there was none.
    """

    until: str | None
    repository: str | None
    unclaimed: str = ""


def claimed(before: Manifest, newest: date | None, harvest: Harvest | None) -> Claim:
    """Return what may be claimed of a snapshot after an update.

    A harvest moves the day when it is of the same repository and the same or a larger set, and begins no later than
    the day up to which the snapshot has the changes: otherwise what changed between the two was never fetched.

    Args:
        before: the snapshot's manifest as it was.
        newest: the day of its newest paper, which stands in where no harvest was noted; None where no paper has one.
        harvest: what the changes came of; None for any other source.
    """
    unmoved = Claim(before.harvested, before.repository)
    if harvest is None:
        return unmoved
    known = before.repository or (_first_repository() if before.harvested else None)
    if known is not None and _same(known) != _same(harvest.url):
        return unmoved._replace(unclaimed=f"the harvest is of {harvest.url}, the snapshot of {known}")
    if harvest.subset not in (None, before.subset):
        of = f"of the set {before.subset}" if before.subset else "of every set"
        return unmoved._replace(unclaimed=f"the harvest is of the set {harvest.subset}, the snapshot {of}")
    until = before.harvested or (newest.isoformat() if newest else None)
    if harvest.since is not None and (until is None or harvest.since > until):
        has = f"up to {until}" if until else "up to no day that is known"
        return unmoved._replace(
            unclaimed=f"the harvest begins on {harvest.since}, and the snapshot has changes {has}: harvest from there "
            "with akin index update oai"
        )
    return Claim(harvest.until or until, harvest.url)


def _first_repository() -> str:
    # Manifests that note a day and no address were written when arXiv's own was the usual one.
    from papers.remote import ARXIV

    return ARXIV


def _same(url: str) -> str:
    """Return an address without what does not make it another one."""
    scheme, _, rest = url.strip().partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme.lower()}://{host.lower()}/{path.rstrip('/')}"
