"""Change from one encoder to another without interrupting the search.

A snapshot can only be searched with the encoder that made its vectors. So Triton first loads the promoted encoder
beside the present one; then an index is built with it and the service opens that; then the old encoder is unloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic, sleep
from typing import Any

import httpx

from akin.registry.versions import promoted_version
from akin.stack import local_http, triton_key
from akin.stack.record import Stack, encoders_lock, find_running_stack, update
from akin.stack.triton import is_ready, load
from akin.stack_settings import Settings
from retrieval_service.corpus.directory import SnapshotDirectory

CHANGE_SECONDS = 60.0
"""Longest wait for the service to change to another snapshot."""


def serve_promoted(settings: Settings, say: Callable[[str], None]) -> bool:
    """Load the promoted encoder into the running stack, beside those that it serves; return False if no stack runs.

    Raises:
        EncoderError: Triton refuses it; the encoders that were served before still are.
    """
    stack = find_running_stack(settings)
    if stack is None or not stack.serves:
        return False
    version = promoted_version(settings.repository)
    if version.number not in stack.encoders or not is_ready(stack.triton_http, version.number):
        say(f"loading encoder version {version.number} beside {' and '.join(map(str, stack.encoders))}")
        set_served_versions(
            settings, stack, [*(number for number in stack.encoders if number != version.number), version.number]
        )
    return True


def make_live(settings: Settings, snapshot: str, say: Callable[[str], None]) -> None:
    """Make a published snapshot the live one, and unload the encoders that no search needs from then on.

    Raises:
        SnapshotError: There is no such snapshot, or its manifest cannot be read.
        EncoderError: Triton refuses to unload.
    """
    SnapshotDirectory(settings.data).use(snapshot)
    retire_encoders(settings, snapshot, say)


def retire_encoders(settings: Settings, snapshot: str, say: Callable[[str], None]) -> None:
    """Wait until the running service searches a snapshot of the promoted encoder, then unload the other encoders.

    Raises:
        EncoderError: Triton refuses.
    """
    stack = find_running_stack(settings)
    if stack is None or len(stack.encoders) < 2:
        return
    version = promoted_version(settings.repository)
    served = await_snapshot(settings, snapshot)
    if served and served["snapshot"].get("id") == snapshot and served["encoder"].get("version") == version.number:
        say(f"searches now use encoder version {version.number}; unloading the others")
        set_served_versions(settings, stack, [version.number])


def await_snapshot(settings: Settings, snapshot: str) -> dict[str, Any] | None:
    """Wait until the running service searches a snapshot or refuses it, or a time is over.

    Returns:
        The components that the service reports then, empty if it does not answer; None if no stack runs.
    """
    deadline = monotonic() + CHANGE_SECONDS
    while stack := find_running_stack(settings):
        found = (served := components(stack)).get("snapshot", {})
        if found.get("id") == snapshot or "refused" in found or monotonic() > deadline:
            return served
        sleep(0.2)
    return None


def set_served_versions(settings: Settings, stack: Stack, numbers: list[int]) -> None:
    """Make the running Triton serve exactly these versions, and record them.

    Raises:
        EncoderError: Triton refuses.
        StackError: For minutes, Triton is being restarted or another command changes its versions.
    """
    busy = "another command changes the versions that Triton serves: see `akin status`, and try again."
    with encoders_lock(settings, busy):
        key = triton_key.read(settings)
        load(stack.triton_http, settings.repository, numbers, settings.logs / "triton.log", key=key)
        update(settings, lambda now: replace(now, encoders=numbers))


def components(stack: Stack) -> dict[str, Any]:
    """Return the components that the service reports; empty if it does not answer."""
    try:
        found: dict[str, Any] = local_http.get(f"{stack.service}/health/ready", timeout=2.0).json()["components"]
    except (httpx.HTTPError, ValueError, KeyError):
        return {}
    return found
