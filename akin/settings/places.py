"""Define the settings that several parts share: folders, addresses, names, logs."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from akin.edge import parse_hosts
from akin.settings.base import EnvironmentSettings, FreePort, Port


def _host_names(value: str) -> str:
    parse_hosts(value)
    return value


def _proxies(value: str) -> str:
    if value.strip() == "*":
        return "*"
    names = [name.strip() for name in value.split(",") if name.strip()]
    for name in names:
        try:
            ip_network(name)
        except ValueError:
            raise ValueError(
                f"{name!r} is not an address or a network; write 10.0.0.7 or 10.0.0.0/24, with commas between them"
            ) from None
    return ",".join(names)


def _root_path(value: str) -> str:
    path = value.rstrip("/")
    if path and not re.fullmatch(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+", path):
        raise ValueError("must be a path such as /akin, without a host")
    return path


def _beside(own: str) -> AfterValidator:
    """Return a check that a root path is none of a server's own addresses, given as a regular expression."""

    def check(path: str) -> str:
        if re.fullmatch(own, path):
            raise ValueError("this is an address of the server itself; take another path, such as /akin")
        return path

    return AfterValidator(check)


RootPath = Annotated[str, AfterValidator(_root_path)]
ServiceRootPath = Annotated[
    RootPath,
    _beside(
        r"/(papers|map|health|lists|models|references|v1|v2)(/.*)?"
        r"|/(search|searches|feed|feedback|export|citations|corpus|embed|embeddings|rerank|mcp|metrics|docs|openapi\.json)"
    ),
]
PageRootPath = Annotated[
    RootPath,
    _beside(
        r"/(assets|citation|export|files|gradio_api|katex|list|map|paper|static)(/.*)?"
        r"|/(feed|feedback|theme\.css|manifest\.json|favicon\.ico|robots\.txt)"
    ),
]


def _triton_address(value: str) -> str:
    if not re.fullmatch(r"|(grpc|http)://[^/\s]+/?", value):
        raise ValueError("must look like grpc://127.0.0.1:8001")
    return value


def http_address(value: str) -> str:
    """Return an address of HTTP without its last slash.

    Raises:
        ValueError: It is none.
    """
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("must look like http://127.0.0.1:8080")
    return value.rstrip("/")


def without_credentials(text: str) -> str:
    """Return an address, or a text with addresses, without the users and passwords in them, for messages and logs."""
    return re.sub(r"(?<=://)[^/?#\s]*@", "", text)


def address_or_none(value: str) -> str:
    """Return an address of HTTP without its last slash; empty for none."""
    return http_address(value) if value else value


class Folders(EnvironmentSettings):
    """Folders that a run reads and writes."""

    data: Path = Field(
        default=Path("data"),
        description="Folder of all files that a run writes: snapshots, embeddings, logs. Default of an installed "
        "wheel: `~/.local/share/akin` ([running.md](running.md)).",
    )
    model_repository: Path = Field(
        default=Path("model_repository"),
        description="Triton's model repository: the versions of the encoder. Default of an installed wheel: in the "
        "data folder.",
    )


class ServiceAddress(EnvironmentSettings):
    """Addresses of the service."""

    service_host: str = Field(default="127.0.0.1", description="Address that the API listens on.")
    service_port: Port = Field(default=8080, description="Port of the API.")
    service_root_path: ServiceRootPath = Field(
        default="",
        description="Path under which a proxy publishes the API, such as `/api` ([running.md](running.md)).",
    )
    service_metrics_host: str = Field(default="127.0.0.1", description="Address of the API's metrics, for operators.")
    service_metrics_port: FreePort = Field(
        default=8081, description="Port of the API's metrics ([monitoring.md](monitoring.md)). 0: none."
    )


class ServerNames(EnvironmentSettings):
    """Host names under which the API, its metrics and the page answer."""

    allowed_hosts: Annotated[str, AfterValidator(_host_names)] = Field(
        default="",
        description="Host names to answer under, separated by commas (docs/security.md); `*` for any. Containers "
        "add them to their own. Default: on a loopback address `localhost`, `127.0.0.1`, `[::1]`, elsewhere any.",
    )

    trusted_proxies: Annotated[str, AfterValidator(_proxies)] = Field(
        default="127.0.0.1,::1",
        description="Addresses or networks of the proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed, "
        "separated by commas; `*` for any. The headers of others are removed.",
    )


class PageAddress(EnvironmentSettings):
    """Address of the page."""

    ui_host: str = Field(default="127.0.0.1", description="Address that the page listens on.")
    ui_port: FreePort = Field(default=7860, description="Port of the page. 0: any free one (not with `akin up`).")
    ui_root_path: PageRootPath = Field(
        default="",
        description="Path under which a proxy publishes the page, such as `/akin` ([running.md](running.md)).",
    )


class TritonAddress(EnvironmentSettings):
    """Addresses of Triton."""

    triton_http_port: Port = Field(default=8000, description="Triton's HTTP port.")
    triton_grpc_port: Port = Field(default=8001, description="Triton's gRPC port.")
    triton_metrics_port: Port = Field(default=8002, description="Port of Triton's metrics.")
    triton_url: Annotated[str, AfterValidator(_triton_address)] = Field(
        default="",
        description="A Triton elsewhere: `grpc://host:port` or `http://host:port`. Default: gRPC on this machine.",
    )


def _off_on_or_folder(value: str) -> str:
    # A folder is named with a slash, so that a misspelt word turns nothing on.
    if value not in {"off", "on"} and "/" not in value:
        raise ValueError("must be off, on, or a folder with a / in its name, such as ./folder")
    return value


class FeedbackFolder(Folders):
    """Place of feedback, and its bounds."""

    feedback: Annotated[str, AfterValidator(_off_on_or_folder)] = Field(
        default="off",
        description="Keep what readers say of results ([feedback.md](feedback.md)): `off`, `on` (in `feedback` in the "
        "data folder), or a folder.",
    )
    feedback_days: int = Field(
        default=180, ge=1, le=3650, description="Days after which feedback is deleted, with its search."
    )
    feedback_megabytes: int = Field(
        default=100, ge=1, le=100_000, description="Size that feedback may have, in MB; more is refused."
    )

    @property
    def feedback_folder(self) -> Path:
        """Return the folder of feedback, also where none is kept at present."""
        return self.data / "feedback" if self.feedback in {"off", "on"} else Path(self.feedback).expanduser()


def _keys(value: str) -> str:
    # A file is named with a slash, so that a misspelt word turns nothing on, and leaves nothing open.
    if value not in {"off", "on"} and "/" not in value:
        raise ValueError("must be off, on, or a file with a / in its name, such as ./keys.json")
    return value


class KeysPlace(Folders):
    """Place of the keys of the API."""

    keys: Annotated[str, AfterValidator(_keys)] = Field(
        default="off",
        description="Answer only clients with a key of `akin keys` ([security.md](security.md#keys)): `off`, `on` "
        "(those in `keys.json` in the data folder), or the file of the keys.",
    )

    @property
    def keys_file(self) -> Path:
        """Return the file of the keys, also where none are asked for at present."""
        return self.data / "keys.json" if self.keys in {"off", "on"} else Path(self.keys).expanduser()


def _api_key(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]{0,200}", value.get_secret_value()):
        raise ValueError("must be a key as akin keys create prints it, of up to 200 letters, digits and signs")
    return value


class ApiKey(EnvironmentSettings):
    """Key with which the commands and the page ask the API."""

    api_key: Annotated[SecretStr, AfterValidator(_api_key)] = Field(
        default=SecretStr(""),
        description="Key that the page's server and the commands send to an API that asks for one (`AKIN_KEYS`).",
    )

    @property
    def api_headers(self) -> dict[str, str]:
        """Return the headers with the key; none if there is none."""
        key = self.api_key.get_secret_value()
        return {"Authorization": f"Bearer {key}"} if key else {}


class MilvusPlace(EnvironmentSettings):
    """Milvus that has the vectors of snapshots."""

    milvus_uri: str = Field(
        default="",
        description="Milvus that searches the vectors ([scaling.md](scaling.md#milvus)): an address such as "
        "`http://milvus:19530`, or the path of a file of milvus-lite. Default: vectors are searched in this process.",
    )
    milvus_token: SecretStr = Field(default=SecretStr(""), description="Key of Milvus, or `user:password`.")
    milvus_prefix: str = Field(
        default="akin",
        pattern="^[A-Za-z_][A-Za-z0-9_]{0,60}$",
        description="Beginning of the names of its collections, and the alias of the newest.",
    )
    milvus_seconds: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="Longest wait for Milvus, in s; then vectors are searched here.",
    )
    milvus_words: bool = Field(
        default=False, description="Search words in Milvus too; `akin milvus load --words` has stored them."
    )
    milvus_effort: int | None = Field(
        default=None, ge=1, le=32_768, description="`ef` of a graph in Milvus, or `nprobe` of lists. Default: Milvus's."
    )


class CollectionFolder(Folders):
    """Place of the collection of queries, and its bounds."""

    collection: Annotated[str, AfterValidator(_off_on_or_folder)] = Field(
        default="off",
        description="Keep a sample of the queries, with their vectors, results and times ([drift.md](drift.md)): "
        "`off`, `on` (in `collection` in the data folder), or a folder. It needs the extra `collection`.",
    )
    collection_days: int = Field(
        default=30, ge=1, le=3650, description="Days after which a collected query is deleted."
    )
    collection_megabytes: int = Field(
        default=200, ge=1, le=100_000, description="Size that the collection may have, in MB; the oldest is deleted."
    )

    @property
    def collection_folder(self) -> Path:
        """Return the folder of the collection, also where none is kept at present."""
        return self.data / "collection" if self.collection in {"off", "on"} else Path(self.collection).expanduser()

    @property
    def drift_folder(self) -> Path:
        """Return the folder of the latest report of drift."""
        return self.data / "drift"


class Tracing(EnvironmentSettings):
    """Settings of traces."""

    traces: Annotated[str, AfterValidator(address_or_none)] = Field(
        default="",
        description="Address of a collector of OpenTelemetry (OTLP over HTTP), such as `http://127.0.0.1:4318`, that "
        "gets traces of requests ([operations.md](operations.md#traces)). It needs the extra `tracing`. Default: "
        "that of `OTEL_EXPORTER_OTLP_ENDPOINT`, else none.",
    )
    traces_share: float = Field(
        default=1.0, ge=0, le=1, description="Share of the requests that are traced, where no caller has decided that."
    )


class LogFormat(EnvironmentSettings):
    """Form of logs."""

    log_format: Literal["text", "json"] = Field(
        default="text",
        description="Form of the logs of service and page: lines for people, or JSON with the ids of request and trace "
        "([operations.md](operations.md#logs)).",
    )


class Sources(EnvironmentSettings):
    """Addresses that servers fetch their files from."""

    models_source: str = Field(
        default="",
        description="Address of the models that a container of Triton fetches at its start, as `akin push models` "
        "prints it: `gs://bucket/folder`, or `gs://bucket/folder@DIGEST` for one bundle only ([cloud.md](cloud.md)).",
    )
    snapshot_source: str = Field(
        default="",
        description="Address of the snapshot that a container of the service fetches at its start, as `akin push "
        "snapshot` prints it.",
    )
    fleet_store: str = Field(
        default="",
        description="Object store that the machines of a fleet share, such as `gs://bucket/fleet`, for `akin fleet` "
        "([scaling.md](scaling.md#a-fleet-of-machines)).",
    )
    fleet_channel: str = Field(default="live", description="Channel of that store: names what its machines serve.")


class Logging(LogFormat):
    """Settings of logs."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level that the service logs."
    )
    log_requests: bool = Field(default=False, description="Log a line for every request of the API.")
    log_queries: bool = Field(
        default=False,
        description="Log the text of every search, which may say much about who wrote it "
        "([security.md](security.md#logged-queries)).",
    )
