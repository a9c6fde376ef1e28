"""A collection of Milvus with the vectors of a snapshot, and the words of its papers if they are searched there.

`akin.indexing.milvus` fills it. Its name has the id of the snapshot and the encoder's digest, so that a service never
searches the vectors of another one. Each row has the digest of its paper's record: while `akin milvus update` changes
rows in place, a service that is at an earlier snapshot knows by it that a row is another paper's, and answers in main
memory. milvus-lite (a path in place of an address) is the same interface in one process.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from akin.settings.places import without_credentials
from retrieval_service.adapters.milvus_filter import MOST_LISTED, ROW, rows_listed
from retrieval_service.errors import VectorStoreUnusable
from retrieval_service.ports import Hits, RowSet

if TYPE_CHECKING:
    from pymilvus import MilvusClient

    from akin.settings.places import MilvusPlace

VECTOR, WORDS, RECORD = "vector", "words", "record"

MOST = 16_384
"""Greatest number of results that Milvus gives to one search."""

_EFFORT: Mapping[str, str] = {"HNSW": "ef", "IVF": "nprobe"}

_RETRY_SECONDS = 10.0
_log = logging.getLogger(__name__)

Ask = Callable[[int, str], Hits | None]
"""Asks Milvus for the best rows: how many, and under which condition; None if rows are of another snapshot."""


class MilvusOptions(NamedTuple):
    """Options of a search in Milvus.

    Attributes:
        uri: Address such as `http://milvus:19530`, or the path of a file of milvus-lite.
        token: `user:password` or a key; empty for none.
        prefix: Beginning of the names of collections.
        seconds: Longest wait for an answer.
        effort: `ef` of a graph or `nprobe` of lists; None for Milvus's own default.
        words: True to search words there too.
    """

    uri: str
    token: str = ""
    prefix: str = "akin"
    seconds: float = 2.0
    effort: int | None = None
    words: bool = False

    @property
    def address(self) -> str:
        """The URI without a password, for messages and logs."""
        return without_credentials(self.uri)


def milvus_options(settings: MilvusPlace) -> MilvusOptions:
    """Return where the settings say that Milvus is."""
    return MilvusOptions(
        settings.milvus_uri,
        settings.milvus_token.get_secret_value(),
        settings.milvus_prefix,
        settings.milvus_seconds,
        settings.milvus_effort,
        settings.milvus_words,
    )


def collection_name(options: MilvusOptions, snapshot: str, digest: str) -> str:
    """Return the name of the collection with a snapshot's vectors of an encoder."""
    return re.sub(r"\W", "_", f"{options.prefix}_{snapshot}_{digest[:12]}")


def connect(options: MilvusOptions) -> MilvusClient:
    """Return a client.

    Raises:
        VectorStoreUnusable: The package is not installed, or nothing answers at the address.
    """
    try:
        from pymilvus import MilvusClient
    except ImportError as error:
        raise VectorStoreUnusable(
            "AKIN_MILVUS_URI is set and Milvus's client is not installed: install the extra `scale`, or unset it."
        ) from error
    advice = "Start it, or correct AKIN_MILVUS_URI and AKIN_MILVUS_TOKEN"
    if options.uri.endswith(".db"):
        advice = "Correct AKIN_MILVUS_URI; if another process uses this file, stop it (akin down)"
    advice += "; without AKIN_MILVUS_URI vectors are searched in main memory."
    with refusals(f"Milvus at {options.address} cannot be used", advice), _raised_not_logged():
        return MilvusClient(uri=options.uri, token=options.token, timeout=max(options.seconds, 10.0))


@contextmanager
def refusals(what: str, advice: str) -> Iterator[None]:
    """Raise an error of Milvus, of its client or of the network as a `VectorStoreUnusable`.

    Args:
        what: Beginning of the message.
        advice: Its end, after the reason.
    """
    from grpc import RpcError
    from pymilvus import MilvusException

    try:
        yield
    except (MilvusException, RpcError, OSError, ValueError) as error:
        raise VectorStoreUnusable(f"{what}: {first_line(error)}. {advice}") from error


@contextmanager
def _raised_not_logged() -> Iterator[None]:
    """Raise the reason that milvus-lite only logs, and keep it and its client from logging from now on.

    All else that they log they raise too; before the line that says what to do it would be noise.

    Raises:
        OSError: milvus-lite cannot use its file.
    """
    reasons: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1] is not None:
            reasons.append(first_line(record.exc_info[1]))
        return False

    for name in ("pymilvus", "pymilvus.milvus_client", "milvus_lite"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    starting = logging.getLogger("milvus_lite.server_manager")
    starting.setLevel(logging.ERROR)
    starting.addFilter(keep)
    try:
        yield
    except Exception as error:
        if reasons:
            raise OSError(reasons[-1]) from error
        raise
    finally:
        starting.removeFilter(keep)


class MilvusCollection:
    """A collection that is searched, with main memory as its fallback; thread-safe.

    After a failure, main memory answers for ten seconds.

    Attributes:
        status: The error of the last search, while main memory answers; None otherwise.
        options: How to search.
    """

    def __init__(
        self,
        client: MilvusClient,
        name: str,
        options: MilvusOptions,
        records: NDArray[np.int64] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take a collection that `open_collection` has checked.

        Args:
            client: The client.
            name: Name of the collection.
            options: How to search.
            records: What the field `record` of each row must be (`record_numbers`); None not to compare it.
            clock: Seconds that never go back.
        """
        self.status: str | None = None
        self.options = options
        self._client, self._name, self._records, self._clock = client, name, records, clock
        self._retry_at = 0.0

    def with_effort(self, effort: int | None) -> MilvusCollection:
        """Return the same collection, searched with another effort."""
        return MilvusCollection(self._client, self._name, self.options._replace(effort=effort), self._records)

    def answer(self, find: Callable[[], Hits | None]) -> Hits | None:
        """Return what `find` gets from Milvus; None if main memory is to answer."""
        if self.status is not None and self._clock() < self._retry_at:
            return None
        try:
            found = find()
        except Exception as error:  # whatever fails there, main memory can answer
            self.status = f"Milvus failed: {first_line(error)}"
            self._retry_at = self._clock() + _RETRY_SECONDS
            _log.error("%s; main memory answers for %.0f s.", self.status, _RETRY_SECONDS)
            return None
        self.status = None
        return found

    def ask(self, field: str, value: Any, k: int, parameters: Mapping[str, int], condition: str = "") -> Hits | None:
        """Return the k best rows by a field; None if one of them is of another snapshot."""
        (found,) = self._client.search(
            self._name,
            [value],
            anns_field=field,
            filter=condition,
            limit=k,
            output_fields=[RECORD],
            search_params={"params": dict(parameters)},
            timeout=self.options.seconds,
        )
        rows = np.array([each[ROW] for each in found], np.int64)
        scores = np.array([each["distance"] for each in found], np.float32)
        if self._records is not None and len(rows):
            records = np.array([each["entity"][RECORD] for each in found], np.int64)
            if rows.max() >= len(self._records) or np.any(self._records[rows] != records):
                return None
        order = np.lexsort((rows, -scores))
        return Hits(rows[order], scores[order])

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def best_within(ask: Ask, within: RowSet, k: int, condition: str = "", *, exact: bool = False) -> Hits | None:
    """Return the k best rows of a set that meet a condition too; None if Milvus cannot give so many.

    Args:
        ask: Asks Milvus.
        within: The set.
        k: Number of rows.
        condition: A further condition in Milvus's language; empty for none.
        exact: True if Milvus gives fewer rows than it is asked for only where there are no more.
    """
    if not within.count:
        return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
    if within.count <= MOST_LISTED:
        listed = rows_listed(np.flatnonzero(within.mask).tolist())
        return ask(k, f"({listed}) and {condition}" if condition else listed)
    # The best of all rows include the best admitted ones as soon as k of them are admitted.
    wanted = min(MOST, 2 * k * len(within.mask) // within.count)
    while True:
        found = ask(wanted, condition)
        if found is None:
            return None
        admitted = within.mask[found.rows]
        if np.count_nonzero(admitted) >= k or (exact and len(found.rows) < wanted):
            return Hits(found.rows[admitted][:k], found.scores[admitted][:k])
        if wanted == MOST:
            return None
        wanted = min(MOST, 4 * wanted)


def open_collection(
    options: MilvusOptions,
    snapshot: str,
    digest: str,
    shape: tuple[int, int],
    records: NDArray[np.int64] | None = None,
) -> tuple[MilvusCollection, str]:
    """Return the collection of a snapshot's vectors, and the kind of its index.

    Args:
        options: Where it is.
        snapshot: Id of the snapshot.
        digest: Digest of the encoder that made the vectors.
        shape: Number and length of the vectors.
        records: What the field `record` of each row must be; None not to compare it.

    Raises:
        VectorStoreUnusable: Milvus cannot be reached, or has no whole collection of these vectors.
    """
    client = connect(options)
    name = collection_name(options, snapshot, digest)
    advice = f"Fill it: akin milvus load {snapshot}{' --words' if options.words else ''}"
    with ExitStack() as unless_returned, refusals(f"the collection {name} cannot be used", advice):
        unless_returned.callback(client.close)
        if not client.has_collection(name):
            others = [each for each in client.list_collections() if each.startswith(f"{options.prefix}_")]
            raise VectorStoreUnusable(
                f"Milvus at {options.address} has no vectors of snapshot {snapshot} (it has "
                f"{', '.join(sorted(others)) or 'no collection of Akin'}). {advice}"
            )
        if (real := real_name(client, name)) != name:
            raise VectorStoreUnusable(f"the collection {name} was changed into {real}. {advice}")
        if (stored := count(client, name)) != shape[0]:
            raise VectorStoreUnusable(
                f"the collection {name} has {stored:,} vectors of {shape[0]:,}: it was filled by half. {advice}"
            )
        fields = fields_of(client, name)
        if (dim := fields[VECTOR]) != shape[1]:
            raise VectorStoreUnusable(f"the collection {name} has vectors of length {dim}, not {shape[1]}. {advice}")
        if RECORD not in fields or (options.words and WORDS not in fields):
            lacks = "words" if RECORD in fields else "records, as an earlier release filled it"
            raise VectorStoreUnusable(f"the collection {name} has no {lacks}. {advice}")
        if (kind := index_kind(client, name)) is None:
            raise VectorStoreUnusable(f"the collection {name} has no index. {advice}")
        client.load_collection(name)
        unless_returned.pop_all()
    return MilvusCollection(client, name, options, records), kind


def record_numbers(digests: NDArray[np.void]) -> NDArray[np.int64]:
    """Return the first eight bytes of the record digests of rows as numbers, int64 [n]; nothing is copied."""
    numbers: NDArray[np.int64] = digests["record"].view([("head", "<i8"), ("tail", "<i8")])["head"]
    return numbers


def count(client: MilvusClient, name: str) -> int:
    """Return the number of vectors of a collection, as its rows are."""
    found: Any = client.get_collection_stats(name)
    return int(found["row_count"])


def fields_of(client: MilvusClient, name: str) -> dict[str, int]:
    """Return the fields of a collection, with the length of vectors where it is fixed, else 0."""
    described: Any = client.describe_collection(name)
    return {each["name"]: int(each.get("params", {}).get("dim", 0)) for each in described["fields"]}


def real_name(client: MilvusClient, name: str) -> str:
    """Return the name of the collection that a name or an alias stands for."""
    described: Any = client.describe_collection(name)
    return str(described["collection_name"])


def index_kind(client: MilvusClient, name: str) -> str | None:
    """Return the kind of a collection's index of vectors, such as `HNSW`; None if it has none."""
    described: Any = client.describe_index(name, VECTOR)
    return described and str(described["index_type"])


def effort_of(kind: str) -> str | None:
    """Return the parameter that decides how much of a kind of index a search reads; None if it reads all."""
    return _EFFORT.get(kind.split("_")[0])


def first_line(error: BaseException) -> str:
    """Return the first line of an error, without the client's frame around it and without passwords."""
    text = without_credentials(str(getattr(error, "message", "") or error).strip())
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
