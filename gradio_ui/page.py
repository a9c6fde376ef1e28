"""One look at the page: a state goes in, what is to be shown comes out. No Gradio here."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from gradio_ui import render
from gradio_ui.answers import CorpusInfo
from gradio_ui.client import RequestFailed, RequestRefused, SearchService
from gradio_ui.state import Notes, PageState

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class View:
    """What is to be shown.

    Attributes:
        status: HTML about the answer as a whole.
        results: HTML of the results, or of what took their place.
        corpus: The corpus that was searched, or None when the service did not say.
    """

    status: str
    results: str
    corpus: CorpusInfo | None = None


async def search(service: SearchService, state: PageState, notes: Notes) -> View:
    """Search for what the state asks; a state that asks nothing gets a hint and costs no request.

    An answer that does not come is a view too: it says what happened and what to type.
    """
    if not state.has_query:
        return View(render.hint(notes), "")
    try:
        answer = await service.search(state)
    except RequestRefused as error:
        return View(render.notices(notes), render.problem(error))
    except RequestFailed as error:
        _log.warning("no answer from %s: %s (%s)", service.url, error, error.__cause__)
        return View(render.notices(notes), render.problem(error))
    corpus = await _corpus_of(service, answer.snapshot)
    names = {category.code: category.name for category in corpus.categories} if corpus else {}
    return View(render.answer_status(state, answer, notes), render.results(state, answer, names), corpus)


async def open_address(service: SearchService, state: PageState, notes: Notes) -> View:
    """Open the page at an address: search if it asks for something, otherwise say what there is to search."""
    if state.has_query:
        return await search(service, state, notes)
    try:
        corpus = await service.corpus()
    except RequestFailed as error:
        _log.warning("no corpus from %s: %s (%s)", service.url, error, error.__cause__)
        return View(render.notices(notes), render.problem(error))
    return View(render.notices(notes), "", corpus)


async def _corpus_of(service: SearchService, snapshot: str | None) -> CorpusInfo | None:
    # The results are worth showing without the line about the corpus.
    try:
        return await service.corpus(snapshot)
    except RequestFailed as error:
        _log.warning("no corpus from %s: %s (%s)", service.url, error, error.__cause__)
        return None
