"""From one encoder to another while people search: both are served until the last search has gone over.

A snapshot's vectors are of the encoder that made them. So a promoted encoder is first served beside the present one;
then an index of its own is built, which the service goes over to; then the encoder that nobody needs any more is
unloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic, sleep
from typing import Any

import httpx

from akin.registry.versions import promoted_version
from akin.settings import Settings
from akin.stack import local_http, triton_key
from akin.stack.record import Stack, encoders_lock, running, update
from akin.stack.triton import is_ready, load
from retrieval_service.corpus.directory import SnapshotDirectory

CHANGE_SECONDS = 30.0


def serve_promoted(settings: Settings, say: Callable[[str], None]) -> bool:
    """Lets the running stack serve the promoted encoder beside those it serves; False when no stack runs.

    Raises:
        EncoderError: Triton refuses it; what was served before still is.
    """
    stack = running(settings)
    if stack is None or not stack.serves:
        return False
    version = promoted_version(settings.repository)
    if version.number not in stack.encoders or not is_ready(stack.triton_http, version.number):
        say(f"loading encoder version {version.number} beside {' and '.join(map(str, stack.encoders))}")
        change(settings, stack, [*(number for number in stack.encoders if number != version.number), version.number])
    return True


def make_live(settings: Settings, snapshot: str, say: Callable[[str], None]) -> None:
    """Makes a published snapshot the one that is searched, and unloads the encoders that nobody needs from then on.

    Raises:
        SnapshotError: There is no such snapshot, or its manifest cannot be read.
        EncoderError: Triton refuses to unload.
    """
    SnapshotDirectory(settings.data).use(snapshot)
    retire_encoders(settings, snapshot, say)


def retire_encoders(settings: Settings, snapshot: str, say: Callable[[str], None]) -> None:
    """Unloads the encoders that nobody needs, once the running stack's service searches a snapshot of the promoted one.

    Raises:
        EncoderError: Triton refuses.
    """
    stack = running(settings)
    if stack is None or len(stack.encoders) < 2:
        return
    version = promoted_version(settings.repository)
    deadline = monotonic() + CHANGE_SECONDS
    while (served := components(stack)) and served["snapshot"].get("id") != snapshot:
        if monotonic() > deadline or "refused" in served["snapshot"]:
            return
        sleep(0.2)
    if served and served["encoder"].get("version") == version.number:
        say(f"searches go by encoder version {version.number} now; unloading the others")
        change(settings, stack, [version.number])


def change(settings: Settings, stack: Stack, numbers: list[int]) -> None:
    """Makes the running Triton serve exactly these versions, and writes that down.

    Raises:
        EncoderError: Triton refuses.
        StackError: Triton is being restarted, or others change its versions, for minutes.
    """
    busy = "the versions that Triton serves are being changed by another command: see `akin status`, and try again."
    with encoders_lock(settings, busy):
        key = triton_key.read(settings)
        load(stack.triton_http, settings.repository, numbers, settings.logs / "triton.log", key=key)
        update(settings, lambda now: replace(now, encoders=numbers))


def components(stack: Stack) -> dict[str, Any]:
    """What the service says it serves; empty when it does not answer."""
    try:
        found: dict[str, Any] = local_http.get(f"{stack.service}/health/ready", timeout=2.0).json()["components"]
    except (httpx.HTTPError, ValueError, KeyError):
        return {}
    return found
