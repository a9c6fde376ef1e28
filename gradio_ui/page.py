"""Views of the page: conversion of a state to the HTML that is shown, without Gradio."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace

from gradio_ui import render
from gradio_ui.answers import CorpusInfo, FoundPaper
from gradio_ui.client import RequestFailed, RequestRefused, SearchService
from gradio_ui.state import Notes, PageState
from gradio_ui.words import Words

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class View:
    """Content of the page.

    Attributes:
        status: HTML about the answer as a whole.
        results: HTML of the results, or of the error in their place.
        corpus: The corpus that was searched, or None if the service did not describe it.
        deep: True if deep searches are offered; None if that was not found out.
    """

    status: str
    results: str
    corpus: CorpusInfo | None = None
    deep: bool | None = None


async def search(service: SearchService, state: PageState, notes: Notes, text: Words) -> View:
    """Return the view of a search; without a query, a hint is returned and no request is sent.

    A failed request gives a view too, which names the reason and the next step.
    """
    if not state.has_query:
        return View(render.hint(notes, text), "")
    try:
        answer = await service.search(state)
    except RequestFailed as error:
        if not isinstance(error, RequestRefused):
            _log.warning("no answer from %s: %s (%s)", service.url, error, error.__cause__)
        return View(render.notices(notes, text), render.problem(error, text))
    corpus, has_map = await asyncio.gather(_corpus_of(service, answer.snapshot), service.has_map(answer.snapshot))
    names = {category.code: category.name for category in corpus.categories} if corpus else {}
    status = render.answer_status(state, answer, notes, text, has_map=has_map)
    return View(status, render.results(state, answer, names, text), corpus)


async def open_address(service: SearchService, state: PageState, notes: Notes, text: Words) -> View:
    """Return the view of an opened address: a search if it has a query, otherwise a description of the corpus."""
    if state.has_query:
        view, deep = await asyncio.gather(search(service, state, notes, text), service.can_rerank())
        return replace(view, deep=deep)
    try:
        corpus = await service.corpus()
    except RequestFailed as error:
        _log.warning("no corpus from %s: %s (%s)", service.url, error, error.__cause__)
        return View(render.notices(notes, text), render.problem(error, text))
    newest, deep = await asyncio.gather(_newest_of(service, corpus), service.can_rerank())
    return View(render.notices(notes, text), render.welcome(corpus, newest, state, text), corpus, deep)


async def _newest_of(service: SearchService, corpus: CorpusInfo) -> tuple[FoundPaper, ...]:
    # The page is shown without them.
    try:
        return await service.newest(corpus)
    except RequestFailed as error:
        _log.warning("no newest papers from %s: %s (%s)", service.url, error, error.__cause__)
        return ()


async def _corpus_of(service: SearchService, snapshot: str | None) -> CorpusInfo | None:
    # The results are shown without the line about the corpus.
    try:
        return await service.corpus(snapshot)
    except RequestFailed as error:
        _log.warning("no corpus from %s: %s (%s)", service.url, error, error.__cause__)
        return None
