"""Plain pages by their addresses; `gradio_ui/pages/__init__.py` says how another one is added."""

from __future__ import annotations

from typing import Final

from gradio_ui.pages import export, feedback, lists, paper
from gradio_ui.pages import map as map_page
from gradio_ui.pages.site import Route

ROUTES: Final[tuple[Route, ...]] = (
    Route("/paper/{paper_id:path}", paper.show),
    Route("/export/{form}", export.show),
    Route("/feed", export.feed),
    Route("/feedback", feedback.send, body=feedback.Said, longest_body=4096),
    Route("/list", lists.show),
    Route("/list/papers", lists.papers, body=lists.Listed, longest_body=lists.LONGEST_BODY),
    Route("/list/like", lists.like, body=lists.Listed, longest_body=lists.LONGEST_BODY),
    Route("/list/within", lists.within, body=lists.Within, longest_body=lists.LONGEST_BODY),
    Route("/list/missing", lists.missing, body=lists.Listed, longest_body=lists.LONGEST_BODY),
    Route("/list/resolve", lists.resolve, body=lists.Import, longest_body=lists.LONGEST_IMPORT),
    Route("/list/export", lists.export, body=lists.Export, longest_body=lists.LONGEST_BODY),
    Route("/map", map_page.show),
    Route("/map/tiles/{tile:path}", map_page.tile),
    Route("/map/near", map_page.near),
)
