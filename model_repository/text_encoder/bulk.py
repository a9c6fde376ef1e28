"""Encode bulk work, and queries beyond a full batch, in threads of their own.

Each thread has its own graph, so that a query never waits for bulk work to end; the two only share the cores. A thread
takes a share of the waiting jobs, encodes them together, and answers each job when its last text is done. A job that
the queue cannot hold is refused at once: this limits memory, and the client can try again. (A queue policy in Triton's
configuration would also limit the queue, but then Triton stalls for half a second now and then.)

If a client cannot be answered or a text cannot be encoded, only that job fails; its group and the thread continue.
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

# The most texts that a thread takes at once: enough that most texts meet others of similar length.
GROUP_TEXTS = 128
# The assumed speed before the first measurement, in bytes of text a second.
_FIRST_PACE = 200_000.0

_log = logging.getLogger("text_encoder")


class BulkEncoder(Protocol):
    """The part of `TextEncoder` that a thread uses."""

    dim: int

    def tokenize(self, texts: list[str]) -> Any:
        """Return the token ids of texts."""

    def run_all(self, tokenized: Any) -> Iterator[tuple[list[int], np.ndarray]]:
        """Yield positions and vectors of the texts, run by run."""


@dataclass
class EncodeJob:
    """Request for the vectors of some texts.

    Attributes:
        texts: The texts.
        answer: Called with the vectors and the token counts.
        fail: Called with the reason of a failure, and True if the client can try again.
        cancelled: Returns True if the client has cancelled the request.
        seconds: The longest wait of the client; None for no limit.
        urgent: True for a query, False for bulk work.
        offered: The time at which the queue got it.
        left: The number of texts without a vector; 0 once the client has an answer.
        bytes: The size of the texts in characters, close enough to bytes.
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
        """Answer the client; if that fails, fail this job only."""
        self.left = 0
        try:
            self.answer(vectors, tokens)
        except Exception as error:
            # Any error of sending concerns one client: the group and its thread serve others.
            self._fail(f"the answer could not be sent: {error}", again=False)

    def give_up(self, reason: str, *, again: bool) -> None:
        """Fail the job, unless the client has an answer already."""
        if self.left:
            self.left = 0
            self._fail(reason, again=again)

    def is_abandoned(self) -> bool:
        """Return True if the client has cancelled; False if that cannot be found out."""
        try:
            return self.cancelled()
        except Exception as error:
            # As in `deliver`; encoding the texts of a cancelled request does no harm.
            _log.warning("cannot find out if a client has cancelled: %s", error)
            return False

    def _fail(self, reason: str, *, again: bool) -> None:
        try:
            self.fail(reason, again)
        except Exception as error:
            _log.warning("the failure of a request (%s) could not be sent to its client: %s", reason, error)


class BulkQueue:
    """Queue of jobs, and the threads that encode them in groups: urgent jobs first, then in order of arrival."""

    def __init__(
        self, make_encoder: Callable[[], BulkEncoder], *, threads: int = 1, most_bytes: int, most_urgent: int = 1024
    ) -> None:
        """Start the threads; each gets its encoder with its first job.

        Args:
            make_encoder: Returns an encoder for one thread alone, already warm if urgent jobs can come.
            threads: The number of threads.
            most_bytes: The most text that may wait, in bytes.
            most_urgent: The most urgent jobs that may wait.
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
        """Put a job into the queue, or fail it at once if the queue is full or the job would take too long."""
        with self._changed:
            reason = self._full(job)
            if reason is None:
                (self._urgent if job.urgent else self._jobs).append(job)
                self._bytes += job.bytes
                self._changed.notify()
                return
        job.give_up(f"the encoder is busy: {reason}. Ask again in a moment.", again=True)

    def _full(self, job: EncodeJob) -> str | None:
        """Return the reason to refuse a job; None if the queue takes it."""
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
        """Encode the jobs of the queue, then end the threads."""
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
                # Any error must reach the clients, and must not end the thread, as later jobs wait for it.
                fail_each(encoder, group, error)
            with self._changed:
                self._bytes -= taken
                if encoded:
                    self._pace += (encoded / max(monotonic() - started, 1e-3) - self._pace) * 0.2

    def _next_group(self) -> list[EncodeJob]:
        """Wait for jobs and return a group of them; empty if the queue is closing and no job is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._urgent or self._jobs or self._closing)
            queue = self._urgent or self._jobs
            # Take a share only: with all jobs here, the other threads would have no work.
            share = -(-sum(len(job.texts) for job in queue) // len(self._threads))
            group: list[EncodeJob] = []
            texts = 0
            while queue and (not group or texts + len(queue[0].texts) <= min(share, GROUP_TEXTS)):
                texts += len(queue[0].texts)
                group.append(queue.popleft())
            return group


def fail_each(encoder: BulkEncoder | None, group: list[EncodeJob], error: Exception) -> None:
    """Encode the jobs of a failed group one by one, and fail only the jobs that fail alone."""
    for job in group:
        if not job.left:
            continue
        if encoder is None or len(group) == 1:
            job.give_up(f"encoding failed: {error}", again=False)
            continue
        try:
            encode_group(encoder, [job])
        except Exception as own_error:
            job.give_up(f"encoding failed: {own_error}", again=False)


def encode_group(encoder: BulkEncoder, group: list[EncodeJob]) -> int:
    """Encode jobs together and answer them; drop those that were cancelled or have waited too long.

    Returns:
        The bytes of the encoded text.
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
