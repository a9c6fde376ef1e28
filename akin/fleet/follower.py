"""Follow a channel on one machine: fetch each edition that it names, and change snapshot and encoder together."""

from __future__ import annotations

import random
from collections.abc import Callable, Set
from contextlib import suppress
from datetime import UTC, datetime
from time import sleep

from msgspec.structs import replace

from akin import sources
from akin.bundles import Place
from akin.errors import AkinError, BucketError, StackError
from akin.fleet.edition import MODELS, SNAPSHOTS, Edition, check_channel, read_channel
from akin.registry.switch import await_snapshot, retire_encoders, serve_promoted
from akin.registry.versions import MODEL, folder_numbers, promoted_number, promoted_version, remove_versions
from akin.stack import triton_key
from akin.stack.record import find_running_stack
from akin.stack.triton import load_reranker
from akin.stack_settings import Settings
from akin.storage.locks import hold_lock
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import read_manifest
from retrieval_service.errors import BuildInProgress, RetrievalError
from retrieval_service.latest_look import LOCK, FleetRecord, read_record, write_record

LONGEST_PAUSE = 300.0
"""Longest pause in seconds between two tries."""


class Follower:
    """Keeps this machine at the edition of a channel.

    The snapshot is fetched first, then the models; then Triton loads the encoder beside the present one, and the
    service changes to the snapshot, whose encoder it finds by digest. Until then it answers as before. At each moment
    a kill leaves a machine that answers, and the next start goes on.
    """

    def __init__(
        self, settings: Settings, address: str, channel: str, say: Callable[[str], None], *, keep: int = 2
    ) -> None:
        """Take the store and the channel; nothing is read yet.

        Args:
            settings: The folders and the stack of this machine.
            address: The store.
            channel: The channel.
            say: Called with messages.
            keep: The number of the newest snapshots that stay on this machine.

        Raises:
            BucketError: The address or the name of the channel cannot be used.
        """
        self._settings = settings
        self._place = Place(address)
        self._channel = check_channel(channel)
        self._say = say
        self._keep = keep
        self._snapshots = SnapshotDirectory(settings.data)
        self._trouble = ""

    def follow(self, every: float, wait: Callable[[float], None] = sleep) -> None:
        """Look at the channel again and again, until a signal ends the process; errors are said once, and tried again.

        Args:
            every: Seconds between two looks, on average: machines of a fleet do not look at the same moment.
            wait: Waits for some seconds.
        """
        failures = 0
        while True:
            try:
                self.look()
            except (AkinError, RetrievalError, OSError) as error:
                failures += 1
                if str(error) != self._trouble:
                    self._say(f"this machine goes on as it is: {error}")
                self._trouble = str(error)
            else:
                if self._trouble:
                    self._say(f"channel {self._channel} of {self._place.address} is followed again")
                failures, self._trouble = 0, ""
            wait(min(every * 2 ** min(failures, 10), max(every, LONGEST_PAUSE)) * random.uniform(0.8, 1.2))

    def look(self) -> Edition:
        """Look at the channel once, change to its edition if another is served, and return it.

        Raises:
            AkinError: The store or an edition cannot be read, or Triton refuses the encoder. What served before does.
            RetrievalError: The fetched snapshot cannot be used.
        """
        busy = StackError(f"another process follows a channel with the data folder {self._settings.data}.")
        with hold_lock(self._settings.data / LOCK, 0.0, busy):
            try:
                edition = read_channel(self._place, self._channel)
                if not self._is_here(edition):
                    self._take(edition)
                else:
                    retire_encoders(self._settings, edition.snapshot, self._say)
            except (AkinError, RetrievalError, OSError) as error:
                self._note_error(str(error))
                raise
            self._note_error("")
            return edition

    def _note_error(self, error: str) -> None:
        """Record how a look went, on a machine that has taken an edition."""
        if (record := read_record(self._settings.data)) is not None:
            with suppress(OSError):  # a full disk is the error, or becomes one when an edition is taken
                write_record(self._settings.data, replace(record, error=error))

    def _is_here(self, edition: Edition) -> bool:
        """Return True if this edition was taken and is still what this machine serves."""
        record = read_record(self._settings.data)
        if record is None or record.edition != edition.digest:
            return False
        number = promoted_number(self._settings.repository)
        return number == edition.version and self._snapshots.current() == edition.snapshot

    def _take(self, edition: Edition) -> None:
        settings, say = self._settings, self._say
        say(f"channel {self._channel}: taking {edition}")
        sources.fetch_snapshot(
            settings.data, f"{self._place.address}/{SNAPSHOTS}@{edition.snapshot_bundle}", say, live=False
        )
        self._check("the snapshot", read_manifest(self._snapshots.path(edition.snapshot)).encoder.digest, edition)
        models, record = settings.repository / MODEL, read_record(settings.data)
        own = set(folder_numbers(models)) - set(record.fetched if record else ())
        sources.fetch_models(
            settings.repository, f"{self._place.address}/{MODELS}@{edition.models_bundle}", say, older=True
        )
        self._check("the bundle of models", promoted_version(settings.repository).digest, edition)
        if serve_promoted(settings, say) and (stack := find_running_stack(settings)):
            load_reranker(
                stack.triton_http, settings.repository, settings.logs / "triton.log", key=triton_key.read(settings)
            )
        self._snapshots.use(edition.snapshot)
        self._await_service(edition)
        retire_encoders(settings, edition.snapshot, say)
        # Late: an edition that the service refuses is tried, and reported, again.
        fetched = set(folder_numbers(models)) - own
        with suppress(BuildInProgress):
            if removed := self._snapshots.prune(self._keep):
                say(f"removed {', '.join(removed)}")
        fetched -= self._remove_versions(fetched)
        now = datetime.now(UTC)
        taken = FleetRecord(edition=edition.digest, channel=self._channel, taken=now, fetched=tuple(sorted(fetched)))
        write_record(settings.data, taken)

    def _remove_versions(self, fetched: Set[int]) -> Set[int]:
        """Remove the encoders of which no snapshot is here any more; return their numbers.

        Only those that were fetched: in a repository in which encoders are trained, the others are somebody's work.
        """
        stack = find_running_stack(self._settings)
        needed = {each.encoder.version for each in self._snapshots.manifests()}
        needed |= {promoted_version(self._settings.repository).number, *(stack.encoders if stack else ())}
        old = fetched - needed
        remove_versions(self._settings.repository, old)
        if old:
            self._say(f"removed encoder version {' and '.join(map(str, sorted(old)))}, of which no snapshot is here")
        return old

    def _check(self, what: str, encoder: str, edition: Edition) -> None:
        if encoder != edition.encoder:
            raise BucketError(
                f"{what} of {edition} is of encoder {encoder[:12]}, not {edition.encoder[:12]}: publish again."
            )

    def _await_service(self, edition: Edition) -> None:
        """Wait until the running service, if there is one, serves an edition.

        Raises:
            StackError: It refuses the snapshot, or has not changed to it in time.
        """
        served = await_snapshot(self._settings, edition.snapshot)
        if served is None:
            self._say(f"{edition} is here; `akin up` serves it")
            return
        snapshot = served.get("snapshot", {})
        if snapshot.get("id") != edition.snapshot:
            reason = snapshot.get("refused", {}).get("reason", "it has not changed to it yet")
            raise StackError(
                f"the service does not serve {edition}: {reason} (log: {self._settings.logs / 'service.log'})"
            )
        self._say(f"this machine serves {edition}")
