"""Define the settings of the search page."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from akin.settings.places import ApiKey, LogFormat, PageAddress, ServerNames, Tracing, http_address


class PageSettings(PageAddress, ApiKey, ServerNames, Tracing, LogFormat):
    """Settings of the search page."""

    service_url: Annotated[str, AfterValidator(http_address)] = Field(
        default="http://127.0.0.1:8080", description="Address of the API that the page searches with."
    )
    ui_answer_seconds: float = Field(
        default=20.0, gt=0, le=600, description="Seconds that the page waits for one answer of the API."
    )
    ui_searches: int = Field(
        default=64, ge=1, le=10_000, description="Searches that the page sends at once, for all its readers together."
    )
    ui_queue: int = Field(
        default=128,
        ge=1,
        le=10_000,
        description="Events of the page that may wait; further ones are refused with a request to try again.",
    )
