"""Hold the keys of a running service, and follow the changes of their file."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from hmac import compare_digest

from akin.keys.key import Key, digest_of, id_of
from akin.keys.key_file import KeyFile, KeysUnusable

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_LOOKS = 1.0
_NOBODY = "0" * 64


class KeyRing:
    """Keys that are accepted at present.

    A request costs one hash; the file's state is looked at once a second at most, and the file is read when that has
    changed. A file that cannot be read is no file of keys: nobody is accepted until it can be read again.

    Attributes:
        trouble: The reason why the file cannot be read; None if it can.
    """

    def __init__(
        self,
        file: KeyFile,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Take the file, a clock that only goes forward for looks, and the time of day for the ends of keys."""
        self._file = file
        self._clock = clock
        self._now = now
        self._looked: float | None = None
        self._seen: object = None
        self._keys: dict[str, Key] = {}
        self.trouble: KeysUnusable | None = None
        self.look()

    def look(self) -> None:
        """Read the file if it has changed, unless that was checked less than a second ago."""
        at = self._clock()
        if self._looked is not None and at - self._looked < _SECONDS_BETWEEN_LOOKS:
            return
        self._looked = at
        try:
            about = os.stat(self._file.path)
            state: object = (
                *(about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_mode),
            )
        except OSError as error:
            state = error.errno
        # What could not be read is read again each time: only a try shows that its cause has gone.
        if state == self._seen and self.trouble is None:
            return
        self._seen = state
        try:
            self._keys = {key.id: key for key in self._file.read()}
        except KeysUnusable as error:
            self._keys = {}
            if self.trouble is None or str(self.trouble) != str(error):
                _log.error("No request with a key is accepted: %s.", error)
            self.trouble = error.with_traceback(None)
            return
        if self.trouble is not None:
            _log.warning("%s can be read again.", self._file.path)
        self.trouble = None

    def find(self, text: str) -> Key | None:
        """Return the key of a text; None if it was never made, was revoked or has expired."""
        self.look()
        # Its id is no secret, and finds the record; the text is compared in constant time.
        key = self._keys.get(id_of(text) or "")
        fits = compare_digest(digest_of(text), key.digest if key else _NOBODY)
        return key if key is not None and fits and not key.expired(self._now()) else None
