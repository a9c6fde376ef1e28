"""Report of an interleaving: which of two encoders readers prefer, how sure that is, and how many searches are missing.

A side wins a search if readers chose more of its results. Won searches are compared with a fair coin (sign test).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, sqrt
from statistics import NormalDist

import msgspec
from scipy.stats import binomtest

from akin.feedback.interleaving import credits
from akin.feedback.records import EncoderRecord, MarkedSearch

LEVEL = 0.05
"""Chance of finding a difference where there is none."""
POWER = 0.8
"""Chance of finding a difference of the given size."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of the interleaved searches of a kind.

    Attributes:
        mode: `hybrid` or `dense`; `all` for both.
        searches: Searches with a mark.
        wins: Searches in which readers chose more results of the candidate.
        losses: Searches in which they chose more results of the serving encoder.
        ties: The other searches.
        share: Share of the wins among wins and losses; None if there are none.
        low: Lower end of the 95 % interval of that share (Wilson's).
        high: Its upper end.
        p: Probability of a share at least as far from one half, if readers have no preference (sign test).
        missing: Further decided searches after which a preference of the report's size is found with 80 % probability.
    """

    mode: str
    searches: int
    wins: int
    losses: int
    ties: int
    share: float | None
    low: float | None
    high: float | None
    p: float
    missing: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Comparison of two encoders; the first outcome is that of all modes."""

    serving: EncoderRecord
    candidate: EncoderRecord
    first: str
    last: str
    outcomes: list[Outcome]
    verdict: str


def compare(
    searches: Iterable[MarkedSearch], *, preference: float = 0.55, useful: bool = True, opened: bool = True
) -> list[Comparison]:
    """Return a comparison for each pair of encoders that were interleaved, the one with the latest search first.

    Args:
        searches: Searches with their marks; those that were not interleaved are passed over.
        preference: Share of the decided searches, above one half, from which on a difference matters.
        useful: Count results that readers called useful.
        opened: Count results that readers opened.
    """
    pairs: dict[tuple[str, str], list[MarkedSearch]] = {}
    for each in searches:
        if each.search.candidate is not None and each.search.teams is not None and each.marks:
            pairs.setdefault((each.search.encoder.digest, each.search.candidate.digest), []).append(each)
    found = [_comparison(each, preference, useful, opened) for each in pairs.values()]
    return sorted(found, key=lambda comparison: comparison.last, reverse=True)


def searches_needed(preference: float) -> int:
    """Return the decided searches after which a sign test finds a preference with the probability `POWER`.

    This is the usual approximation for a binomial share against one half (J. L. Fleiss, "Statistical methods for rates
    and proportions", 1981).
    """
    normal = NormalDist()
    level, power = normal.inv_cdf(1 - LEVEL / 2), normal.inv_cdf(POWER)
    return ceil(((level * 0.5 + power * sqrt(preference * (1 - preference))) / (preference - 0.5)) ** 2)


def _comparison(searches: list[MarkedSearch], preference: float, useful: bool, opened: bool) -> Comparison:
    signs: dict[str, list[int]] = {"all": []}
    for each in searches:
        credit = credits(each, useful=useful, opened=opened)
        difference = credit["candidate"] - credit["serving"]
        for mode in ("all", each.search.mode):
            signs.setdefault(mode, []).append((difference > 0) - (difference < 0))
    outcomes = [_outcome(mode, found, preference) for mode, found in signs.items()]
    latest = max(searches, key=lambda each: each.search.time).search
    assert latest.candidate is not None
    return Comparison(
        serving=latest.encoder,
        candidate=latest.candidate,
        first=min(each.search.time for each in searches),
        last=latest.time,
        outcomes=outcomes,
        verdict=_verdict(outcomes[0], preference),
    )


def _outcome(mode: str, signs: list[int], preference: float) -> Outcome:
    wins, losses = signs.count(1), signs.count(-1)
    decided = wins + losses
    test = binomtest(wins, decided) if decided else None
    interval = test.proportion_ci(1 - LEVEL, method="wilson") if test else None
    return Outcome(
        mode=mode,
        searches=len(signs),
        wins=wins,
        losses=losses,
        ties=signs.count(0),
        share=wins / decided if decided else None,
        low=float(interval.low) if interval else None,
        high=float(interval.high) if interval else None,
        p=float(test.pvalue) if test else 1.0,
        missing=max(0, searches_needed(preference) - decided),
    )


def _verdict(outcome: Outcome, preference: float) -> str:
    decided = outcome.wins + outcome.losses
    if outcome.share is not None and outcome.p < LEVEL and not outcome.missing:
        side = "the candidate" if outcome.share > 0.5 else "the serving encoder"
        return f"Readers prefer {side}: it won {max(outcome.wins, outcome.losses)} of {decided} decided searches."
    if outcome.missing:
        return (
            f"Not decided: {outcome.missing} more decided searches are needed to find a preference of "
            f"{preference:.0%} (there are {decided})."
        )
    return f"No difference was found in {decided} decided searches; a preference of {preference:.0%} would have been."
