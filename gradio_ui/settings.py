"""What the page is told from outside: where the service is and where to listen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


class SettingsError(ValueError):
    """A value in the environment that cannot be used; the message names the variable."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the search page.

    Attributes:
        service_url: Address of the retrieval service, without a trailing slash (`AKIN_SERVICE_URL`).
        host: Address the page listens on (`AKIN_UI_HOST`).
        port: Port the page listens on; 0 takes a free one (`AKIN_UI_PORT`).
        answer_seconds: How long one answer of the service is waited for.
        concurrent_searches: How many searches the page has under way at once, over all its visitors.
    """

    service_url: str = "http://127.0.0.1:8080"
    host: str = "127.0.0.1"
    port: int = 7860
    answer_seconds: float = 20.0
    concurrent_searches: int = 64

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings, with defaults for what is absent or empty.

        Raises:
            SettingsError: A port that is no port, or a service address that is no http(s) address.
        """
        defaults = cls()
        return cls(
            service_url=_service_url(environment.get("AKIN_SERVICE_URL") or defaults.service_url),
            host=environment.get("AKIN_UI_HOST") or defaults.host,
            port=_port(environment.get("AKIN_UI_PORT") or str(defaults.port)),
        )


def _service_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"AKIN_SERVICE_URL is {text!r}; it must look like http://127.0.0.1:8080")
    return text.rstrip("/")


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535:
        return int(text)
    raise SettingsError(f"AKIN_UI_PORT is {text!r}; it must be a number from 0 to 65535")
