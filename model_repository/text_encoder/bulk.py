"""Work that is taken at once and answered later, by its own thread: bulk, and more queries than one batch takes.

The thread has its own graph, so that a query never waits for bulk work to end; it only shares the cores with it.
Waiting requests are encoded together, sorted by length, and each is answered as soon as its last text is done. What
cannot be taken is refused at once, so that memory stays bounded and the client knows to ask again. (A queue policy in
Triton's configuration would bound its queue as well, but Triton then stalls for half a second now and then.)
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

import numpy as np

# Texts that are encoded together: enough of them that each finds others of its length.
GROUP_TEXTS = 256
# How fast a queue is believed to move before anything was measured, in bytes of text a second.
_FIRST_PACE = 200_000.0


class Encoder(Protocol):
    """What the thread needs of a `TextEncoder`."""

    dim: int

    def tokenize(self, texts: list[str]) -> Any:
        """Token ids of texts."""

    def runs(self, tokenized: Any) -> list[tuple[list[int], int]]:
        """How they are cut into runs."""

    def run(self, tokenized: Any, members: list[int], length: int) -> np.ndarray:
        """The vectors of one run."""


@dataclass
class Job:
    """One request.

    Attributes:
        texts: what it wants encoded.
        answer: is given the vectors and the token counts.
        fail: is given the reason why there are none, and whether it makes sense to ask again.
        cancelled: whether the client has gone.
        seconds: how long the client waits; None for as long as it takes.
        urgent: whether a person waits for it.
        left: texts without a vector; 0 when the client has its answer.
    """

    texts: list[str]
    answer: Callable[[np.ndarray, np.ndarray], None]
    fail: Callable[[str, bool], None]
    cancelled: Callable[[], bool]
    seconds: float | None = None
    urgent: bool = False
    offered: float = field(default_factory=monotonic)
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = len(self.texts)

    @property
    def bytes(self) -> int:
        """The size of its texts, near enough."""
        return sum(map(len, self.texts))

    def give_up(self, reason: str, *, again: bool) -> None:
        """Fails, unless the client has its answer already."""
        if self.left:
            self.left = 0
            self.fail(reason, again)


class BulkQueue:
    """Takes jobs and encodes them in groups: urgent ones first, then in the order they came."""

    def __init__(self, make_encoder: Callable[[], Encoder], *, most_bytes: int, most_urgent: int = 1024) -> None:
        """The encoder is made by the thread itself, with the first job.

        Args:
            make_encoder: makes one that nothing else uses.
            most_bytes: of text that may wait.
            most_urgent: urgent jobs that may wait.
        """
        self._make_encoder = make_encoder
        self._most_bytes = most_bytes
        self._most_urgent = most_urgent
        self._urgent: deque[Job] = deque()
        self._jobs: deque[Job] = deque()
        self._bytes = 0
        self._pace = _FIRST_PACE
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="bulk", daemon=True)
        self._thread.start()

    def offer(self, job: Job) -> None:
        """Takes a job, or fails it at once when it cannot be held or cannot be done in its time."""
        with self._changed:
            reason = self._full(job)
            if reason is None:
                (self._urgent if job.urgent else self._jobs).append(job)
                self._bytes += job.bytes
                self._changed.notify()
                return
        job.give_up(f"the encoder is busy: {reason}. Ask again in a moment.", again=True)

    def _full(self, job: Job) -> str | None:
        if job.urgent:
            full = len(self._urgent) >= self._most_urgent
            return f"{len(self._urgent):,} queries already wait" if full else None
        after = self._bytes + job.bytes
        if self._bytes and after > self._most_bytes:
            return f"{self._bytes:,} bytes of text already wait (at most {self._most_bytes:,})"
        if job.seconds is not None and after / self._pace > job.seconds:
            return f"this would take about {after / self._pace:.1f} s and its client waits for {job.seconds:g} s"
        return None

    def close(self) -> None:
        """Encodes what was taken, and ends the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        encoder = None
        while group := self._next_group():
            started, size = monotonic(), sum(job.bytes for job in group)
            try:
                encoder = encoder or self._make_encoder()
                encode_group(encoder, group)
            except Exception as error:
                # Whatever it was must reach the clients, and must not end the thread that later jobs wait for.
                for job in group:
                    job.give_up(f"encoding failed: {error}", again=False)
            with self._changed:
                self._bytes -= size
                self._pace += (size / max(monotonic() - started, 1e-3) - self._pace) * 0.2

    def _next_group(self) -> list[Job]:
        """Waits for jobs; empty when closing and all are done."""
        with self._changed:
            self._changed.wait_for(lambda: self._urgent or self._jobs or self._closing)
            group: list[Job] = []
            texts = 0
            while waiting := self._urgent or (None if group and group[-1].urgent else self._jobs):
                texts += len(waiting[0].texts)
                if group and texts > GROUP_TEXTS:
                    break
                group.append(waiting.popleft())
            return group


def encode_group(encoder: Encoder, group: list[Job]) -> None:
    """Encodes jobs together; those whose clients have gone or given up are dropped before anything is computed."""
    for job in group:
        if job.cancelled():
            job.give_up("the client cancelled this request", again=False)
        elif job.seconds is not None and monotonic() - job.offered > job.seconds:
            job.give_up(f"not encoded within {job.seconds:g} s, as long as its client waits", again=True)
    wanted = [job for job in group if job.left]
    if not wanted:
        return
    tokenized = encoder.tokenize([text for job in wanted for text in job.texts])
    vectors = np.empty((len(tokenized.ids), encoder.dim), dtype=np.float32)
    owner = [number for number, job in enumerate(wanted) for _ in job.texts]
    first = np.cumsum([0, *(len(job.texts) for job in wanted)])
    for members, length in encoder.runs(tokenized):
        vectors[members] = encoder.run(tokenized, members, length)
        for member in members:
            number = owner[member]
            job = wanted[number]
            job.left -= 1
            if not job.left:
                rows = slice(first[number], first[number + 1])
                job.answer(vectors[rows], tokenized.counts[rows])
