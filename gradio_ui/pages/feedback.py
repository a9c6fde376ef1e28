"""Feedback of the page's readers, passed on to the service."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from gradio_ui.pages.site import Site


class Said(BaseModel):
    """Mark of a reader on one result: useful or not, opened, or withdrawn."""

    model_config = ConfigDict(extra="forbid", strict=True)

    search: Annotated[str, Field(min_length=1, max_length=64)]
    paper: Annotated[str, Field(min_length=1, max_length=500)]
    rank: Annotated[int, Field(ge=1, le=10_000)]
    useful: bool | None = None
    opened: bool = False
    withdraw: bool = False


async def send(request: Request, site: Site, said: Said) -> Response:
    """Pass a mark on; nothing of the reader's request goes with it."""
    await site.service.give_feedback(said.model_dump(exclude_defaults=True))
    return Response(status_code=204)
