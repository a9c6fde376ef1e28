"""Work that is taken at once and answered later, by threads of its own: bulk, and more queries than one batch takes.

Each thread has a graph of its own, so that a query never waits for bulk work to end; it only shares the cores with it.
A thread takes its part of the requests that wait, encodes them together, and answers each as soon as its last text is
done. What cannot be taken is refused at once, so that memory stays bounded and the client knows to ask again. (A queue
policy in Triton's configuration would bound its queue as well, but Triton then stalls for half a second now and then.)

A client that cannot be answered, or a text that cannot be encoded, fails its own job, neither the other jobs of its
group nor the thread.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

import numpy as np

# The most texts that a thread takes at once: enough of them that each finds others of its length.
GROUP_TEXTS = 128
# How fast a queue is believed to move before anything was measured, in bytes of text a second.
_FIRST_PACE = 200_000.0

_log = logging.getLogger("text_encoder")


class BulkEncoder(Protocol):
    """What a thread needs of a `TextEncoder`."""

    dim: int

    def tokenize(self, texts: list[str]) -> Any:
        """Token ids of texts."""

    def run_all(self, tokenized: Any) -> Iterator[tuple[list[int], np.ndarray]]:
        """Positions and vectors of the texts, as they are done."""


@dataclass
class EncodeJob:
    """One request.

    Attributes:
        texts: what it wants encoded.
        answer: is given the vectors and the token counts.
        fail: is given the reason why there are none, and whether it makes sense to ask again.
        cancelled: whether the client has gone.
        seconds: how long the client waits; None for as long as it takes.
        urgent: whether a person waits for it.
        left: texts without a vector; 0 when the client has its answer.
        bytes: the size of the texts, near enough.
    """

    texts: list[str]
    answer: Callable[[np.ndarray, np.ndarray], None]
    fail: Callable[[str, bool], None]
    cancelled: Callable[[], bool]
    seconds: float | None = None
    urgent: bool = False
    offered: float = field(default_factory=monotonic)
    left: int = field(init=False)
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = len(self.texts)
        self.bytes = sum(map(len, self.texts))

    def deliver(self, vectors: np.ndarray, tokens: np.ndarray) -> None:
        """Answer the client; where that fails, say so to this client and to nobody else."""
        self.left = 0
        try:
            self.answer(vectors, tokens)
        except Exception as error:
            # Whatever sending raises concerns one client: the group and its thread serve others.
            self._fail(f"the answer could not be sent: {error}", again=False)

    def give_up(self, reason: str, *, again: bool) -> None:
        """Fail, unless the client has its answer already."""
        if self.left:
            self.left = 0
            self._fail(reason, again=again)

    def is_abandoned(self) -> bool:
        """Return True if the client has gone; one that cannot be asked counts as present."""
        try:
            return self.cancelled()
        except Exception as error:
            # As in `deliver`: it concerns one client, and encoding for nobody harms nobody.
            _log.warning("whether a client has gone cannot be told: %s", error)
            return False

    def _fail(self, reason: str, *, again: bool) -> None:
        try:
            self.fail(reason, again)
        except Exception as error:
            # There is nobody left to tell but the log.
            _log.warning("a client could not be told that its request failed (%s): %s", reason, error)


class BulkQueue:
    """Takes jobs and encodes them in groups: urgent ones first, then in the order they came."""

    def __init__(
        self, make_encoder: Callable[[], BulkEncoder], *, threads: int = 1, most_bytes: int, most_urgent: int = 1024
    ) -> None:
        """Start the threads, which take their encoders with their first jobs.

        Args:
            make_encoder: gives one that nothing else uses, warm where a person may wait for it.
            threads: how many work.
            most_bytes: of text that may wait.
            most_urgent: urgent jobs that may wait.
        """
        self._make_encoder = make_encoder
        self._making = threading.Lock()
        self._most_bytes = most_bytes
        self._most_urgent = most_urgent
        self._urgent: deque[EncodeJob] = deque()
        self._jobs: deque[EncodeJob] = deque()
        self._bytes = 0
        self._pace = _FIRST_PACE / threads
        self._changed = threading.Condition()
        self._closing = False
        self._threads = [threading.Thread(target=self._work, name="bulk", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def offer(self, job: EncodeJob) -> None:
        """Takes a job, or fails it at once when it cannot be held or cannot be done in its time."""
        with self._changed:
            reason = self._full(job)
            if reason is None:
                (self._urgent if job.urgent else self._jobs).append(job)
                self._bytes += job.bytes
                self._changed.notify()
                return
        job.give_up(f"the encoder is busy: {reason}. Ask again in a moment.", again=True)

    def _full(self, job: EncodeJob) -> str | None:
        ahead = sum(other.bytes for other in self._urgent) if job.urgent else self._bytes
        if job.urgent and len(self._urgent) >= self._most_urgent:
            return f"{len(self._urgent):,} queries already wait"
        if not job.urgent and ahead and ahead + job.bytes > self._most_bytes:
            return f"{ahead:,} bytes of text already wait (at most {self._most_bytes:,})"
        takes = (ahead + job.bytes) / (self._pace * len(self._threads))
        if job.seconds is not None and takes > job.seconds:
            return f"this would take about {takes:.1f} s and its client waits for {job.seconds:g} s"
        return None

    def close(self) -> None:
        """Encodes what was taken, and ends the threads."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        encoder = None
        while group := self._next_group():
            started = monotonic()
            taken = encoded = sum(job.bytes for job in group)
            try:
                if encoder is None:
                    with self._making:
                        encoder = self._make_encoder()
                    started = monotonic()
                encoded = encode_group(encoder, group)
            except Exception as error:
                # Whatever it was must reach the clients, and must not end the thread that later jobs wait for.
                fail_each(encoder, group, error)
            with self._changed:
                self._bytes -= taken
                if encoded:
                    self._pace += (encoded / max(monotonic() - started, 1e-3) - self._pace) * 0.2

    def _next_group(self) -> list[EncodeJob]:
        """Waits for jobs; empty when closing and all are done."""
        with self._changed:
            self._changed.wait_for(lambda: self._urgent or self._jobs or self._closing)
            queue = self._urgent or self._jobs
            # A part is left to the other threads, which would wait for work while this one has all of it.
            part = -(-sum(len(job.texts) for job in queue) // len(self._threads))
            group: list[EncodeJob] = []
            texts = 0
            while queue and (not group or texts + len(queue[0].texts) <= min(part, GROUP_TEXTS)):
                texts += len(queue[0].texts)
                group.append(queue.popleft())
            return group


def fail_each(encoder: BulkEncoder | None, group: list[EncodeJob], error: Exception) -> None:
    """Fail the jobs of a group that could not be encoded; of several, only those that fail by themselves too."""
    for job in group:
        if not job.left:
            continue
        if encoder is None or len(group) == 1:
            job.give_up(f"encoding failed: {error}", again=False)
            continue
        try:
            encode_group(encoder, [job])
        except Exception as its_own:
            job.give_up(f"encoding failed: {its_own}", again=False)


def encode_group(encoder: BulkEncoder, group: list[EncodeJob]) -> int:
    """Encodes jobs together; those whose clients have gone or given up are dropped before anything is computed.

    Returns:
        The bytes of text that were encoded.
    """
    for job in group:
        if job.is_abandoned():
            job.give_up("the client cancelled this request", again=False)
        elif job.seconds is not None and monotonic() - job.offered > job.seconds:
            job.give_up(f"not encoded within {job.seconds:g} s, as long as its client waits", again=True)
    wanted = [job for job in group if job.left]
    if not wanted:
        return 0
    for job in wanted:
        job.left = len(job.texts)
    tokenized = encoder.tokenize([text for job in wanted for text in job.texts])
    vectors = np.empty((len(tokenized.ids), encoder.dim), dtype=np.float32)
    owner = [number for number, job in enumerate(wanted) for _ in job.texts]
    first = np.cumsum([0, *(len(job.texts) for job in wanted)])
    for members, found in encoder.run_all(tokenized):
        vectors[members] = found
        for member in members:
            number = owner[member]
            job = wanted[number]
            job.left -= 1
            if not job.left:
                rows = slice(first[number], first[number + 1])
                job.deliver(vectors[rows], tokenized.counts[rows])
    return sum(job.bytes for job in wanted)
