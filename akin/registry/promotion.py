"""Decide which version of a model serves, and keep the history of these decisions.

An encoder is promoted if its evaluation proves its hybrid search, which is what users get: not inferior to the serving
version's by more than a margin on any required set, and better on a primary one. A reranker is compared in the same way
with hybrid search without it. The history lies beside the pointer, with the reasons.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from akin.errors import EncoderError
from akin.registry import evaluations, versions
from akin.registry.evaluations import Difference, Evaluation
from akin.registry.versions import HISTORY, MODEL, RERANKER, Version
from akin.storage.durable import replace_file

MARGIN = 0.01
"""Amount by which a version may be inferior: the interval of a difference must lie above its negative."""

LOSS = 0.005
"""Amount that a compressed version may lose to its own FP32 weights on each set."""


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """Line of the history.

    Attributes:
        at: Its time, ISO 8601 in UTC.
        version: The version that serves from then on.
        digest: The digest of that encoder.
        before: The version that served until then; None if there was none.
        how: `proven`, `overridden`, `first` (nothing served before) or `rolled back`.
        reason: The given reason, or the figures that proved it.
    """

    at: str
    version: int
    digest: str
    before: int | None
    how: str
    reason: str


@dataclass(frozen=True)
class Verdict:
    """Result of the comparison of a version with the serving one.

    Attributes:
        proven: True if the version may serve.
        reason: The sets and figures that decided.
    """

    proven: bool
    reason: str


@dataclass(frozen=True)
class Gate:
    """Sets that decide a promotion, by name.

    Attributes:
        required: Sets that must be measured, beside those that the serving version was evaluated on.
        primary: Sets of which the version must be better on at least one; empty for any.
    """

    required: tuple[str, ...] = ()
    primary: tuple[str, ...] = ()


def promote(
    repository: Path, number: int, *, override: str | None = None, gate: Gate | None = None, model: str = MODEL
) -> Promotion | None:
    """Make a version serve.

    Args:
        repository: Triton's model repository.
        number: The version.
        override: The reason to promote it without proof.
        gate: The sets that decide; by default those that the serving version was evaluated on.
        model: The model of Triton that it is a version of.

    Returns:
        The line that was added to the history; None if the version already serves.

    Raises:
        EncoderError: There is no such version, it is not proven, or the repository cannot be written.
    """
    candidate = versions.find(repository, number, model)
    if candidate.promoted:
        return None
    serving = _serving(repository, model)
    if serving is None:
        how, reason = "first", "no version served"
    elif override is not None:
        how, reason = "overridden", override
    else:
        decide = judge if model == MODEL else judge_reranker
        verdict = decide(repository, candidate, serving, gate or Gate())
        if not verdict.proven:
            raise EncoderError(
                f"version {number} is not promoted: {verdict.reason} Version {serving.number} still serves; "
                "to promote it without proof, give --override REASON."
            )
        how, reason = "proven", verdict.reason
    return _move(repository, candidate, how, reason, model)


def rollback(repository: Path, model: str = MODEL) -> Promotion:
    """Promote the version that served before the current one; each further call goes one version further back.

    Raises:
        EncoderError: There is no earlier version, or its folder is gone.
    """
    current = versions.promoted_number(repository, model)
    stack = served_versions(history(repository, model))
    while stack and stack[-1] == current:
        stack.pop()
    if not stack:
        raise EncoderError("there is no earlier promotion to go back to. See the list of versions.")
    target = versions.find(repository, stack[-1], model)
    return _move(repository, target, "rolled back", f"from version {current}", model)


def judge(repository: Path, candidate: Version, serving: Version, gate: Gate) -> Verdict:
    """Compare the hybrid search with a version and with the serving one by the version's evaluation.

    Raises:
        EncoderError: An evaluation exists but cannot be read.
    """
    command = f"akin evaluate {candidate.number}"
    report = evaluations.read(repository, candidate.digest)
    if report is None:
        return Verdict(False, f"it was not evaluated. Run `{command} --set FOLDER`.")
    if report.schema < 2:
        return Verdict(
            False,
            f"its evaluation is of an earlier release, which did not measure hybrid search. Run `{command} --set "
            "FOLDER` with each of its sets.",
        )
    found = report.differences_between(report.name_of(candidate.digest), report.name_of(serving.digest))
    if not found:
        return Verdict(
            False,
            f"its evaluation does not compare it with version {serving.number}, which serves. Run `{command} --set "
            "FOLDER`.",
        )
    before = evaluations.read(repository, serving.digest)
    verdict = _judge_figures("hybrid search", found, report, _required(report, before, serving, gate), gate, command)
    compressed = _compression_fault(report, candidate, command) if verdict.proven else None
    return Verdict(False, compressed) if compressed else verdict


def judge_reranker(repository: Path, candidate: Version, serving: Version, gate: Gate) -> Verdict:
    """Compare hybrid search with a reranker and without one by the reranker's evaluation.

    Raises:
        EncoderError: An evaluation or the serving encoder cannot be read.
    """
    command = f"akin evaluate --reranker {candidate.number}"
    report = evaluations.read(repository, candidate.digest, RERANKER)
    if report is None:
        return Verdict(False, f"it was not evaluated. Run `{command} --set FOLDER`.")
    encoder = versions.promoted_version(repository)
    reranked = report.name_of(encoder.digest, evaluations.RERANKED, candidate.digest)
    found = report.differences_between(reranked, report.name_of(encoder.digest))
    if not found:
        return Verdict(
            False,
            f"its evaluation is not with encoder version {encoder.number}, which serves. Run `{command} --set FOLDER`.",
        )
    before = evaluations.read(repository, serving.digest, RERANKER)
    required = _required(report, before, serving, gate)
    return _judge_figures("reranked search", found, report, required, gate, command)


def _judge_figures(
    what: str,
    found: dict[str, Difference],
    report: Evaluation,
    required: dict[str, str],
    gate: Gate,
    command: str,
) -> Verdict:
    """Decide by the differences of a search on each set: inferior on none that is required, better on a primary one."""
    missing = {name: why for name, why in required.items() if name not in found}
    if missing:
        listed = ", ".join(f"{name} ({why})" for name, why in missing.items())
        return Verdict(False, f"its evaluation lacks {listed}. Run `{command}` with these sets too.")
    inferior = [each for each in found.values() if not each.low > -MARGIN]
    if inferior:
        return Verdict(
            False,
            f"its {what} may be worse by more than {MARGIN} {_list_figures(inferior)}: an interval must lie "
            f"above -{MARGIN}. More queries make it narrower, if the version is as good.",
        )
    primary = [each for each in found.values() if not gate.primary or each.set in gate.primary]
    better = [each for each in primary if each.low > 0]
    if not better:
        return Verdict(False, f"its {what} is proven better on no primary set {_list_figures(primary)}.")
    if all(report.sets[each.set].aimed for each in better):
        return Verdict(
            False,
            f"its {what} is better only {_list_figures(better)}, where training aimed at this kind of search. "
            f"Run `{command} --set FOLDER` with sets of other kinds as well.",
        )
    return Verdict(
        True, f"{what} better {_list_figures(better)}, inferior by more than {MARGIN} on none of {len(found)} sets"
    )


def _required(report: Evaluation, before: Evaluation | None, serving: Version, gate: Gate) -> dict[str, str]:
    """Return the sets on which both searches must be measured, each with the reason.

    `before` is the evaluation of the serving version.
    """
    found = dict.fromkeys(report.search_sets, "only one of the two searches was measured on it")
    found |= dict.fromkeys(report.earlier_sets, "an earlier evaluation of this version has it")
    found |= dict.fromkeys(before.search_sets if before else (), f"version {serving.number} was evaluated on it")
    return found | dict.fromkeys((*gate.required, *gate.primary), "the settings require it")


def _compression_fault(report: Evaluation, candidate: Version, command: str) -> str | None:
    """Return why a compressed version may not serve: it loses too much to its FP32 weights; None if it may."""
    lost: list[Difference] = []
    for mode in (evaluations.HYBRID, evaluations.DENSE):
        weights = report.fp32_of(candidate.digest, mode)
        found = report.differences_between(report.name_of(candidate.digest, mode), weights)
        missing = report.search_sets - report.earlier_sets.keys() - found.keys()
        if missing:
            return (
                f"it was not compared with its own FP32 weights on {', '.join(sorted(missing))}. Run `{command}` "
                "without `--base none`, where the model that it was exported from can be read."
            )
        lost += [each for each in found.values() if not each.difference >= -LOSS]
    if not lost:
        return None
    return (
        f"compression loses more than {LOSS} to its own FP32 weights {_list_figures(lost)}. Export it again with other "
        "calibration papers."
    )


def history(repository: Path, model: str = MODEL) -> list[Promotion]:
    """Return every promotion since the first export, oldest first.

    Raises:
        EncoderError: The file is damaged.
    """
    path = repository / model / HISTORY
    try:
        return [msgspec.json.decode(line, type=Promotion) for line in path.read_bytes().splitlines() if line.strip()]
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError) as error:
        raise EncoderError(f"{path} cannot be read ({error}): correct or remove it.") from error


def served_versions(promotions: list[Promotion]) -> list[int]:
    """Return the versions to which a rollback can lead, the current one last. A rollback removes the one it leaves."""
    stack: list[int] = []
    for each in promotions:
        # A version promoted by the first export, or by hand, has no line of its own: it only appears as `before`.
        if each.before is not None and (not stack or stack[-1] != each.before):
            stack.append(each.before)
        if each.how == "rolled back":
            while stack and stack[-1] != each.version:
                stack.pop()
        if not stack or stack[-1] != each.version:
            stack.append(each.version)
    return stack


def _serving(repository: Path, model: str) -> Version | None:
    """Return the version that serves; None if the pointer names no existing one."""
    try:
        number = versions.promoted_number(repository, model)
        return None if number is None else versions.find(repository, number, model)
    except EncoderError:
        return None


def _move(repository: Path, target: Version, how: str, reason: str, model: str) -> Promotion:
    serving = _serving(repository, model)
    line = Promotion(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=target.number,
        digest=target.digest,
        before=serving.number if serving else None,
        how=how,
        reason=reason,
    )
    path = repository / model / HISTORY
    lines = [msgspec.to_builtins(each) for each in (*history(repository, model), line)]
    # The pointer first: if the history then lacks this line, `before` of the next promotion replaces it.
    versions.set_promoted_version(repository, target.number, model)
    try:
        replace_file(path, "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in lines).encode())
    except OSError as error:
        raise EncoderError(
            f"version {target.number} is promoted, but {path} cannot be written: {error.strerror}."
        ) from error
    return line


def _list_figures(differences: list[Difference]) -> str:
    """Return sets with their differences as text."""
    return ", ".join(
        f"on {each.set} ({each.metric} {each.difference:+.4f}, interval {each.low:+.4f} to {each.high:+.4f})"
        for each in differences
    )
