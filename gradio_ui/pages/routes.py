"""Plain pages by their addresses; `gradio_ui/pages/__init__.py` says how another one is added."""

from __future__ import annotations

from typing import Final

from gradio_ui.pages import feed
from gradio_ui.pages import map as map_page
from gradio_ui.pages.site import Route

ROUTES: Final[tuple[Route, ...]] = (
    Route("/feed", feed.show),
    Route("/map", map_page.show),
    Route("/map/about", map_page.about),
    Route("/map/tiles/{tile:path}", map_page.tile),
    Route("/map/near", map_page.near),
)
