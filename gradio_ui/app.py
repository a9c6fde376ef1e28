"""Search page as a Gradio app: its inputs, outputs and events.

The address bar holds the page's only state. A search writes it; opening an address, the browser's back button and the
page's own links restore the page from it. `page.js` does the part that only a browser can do.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from gradio_ui import page, reader, render
from gradio_ui.active_searches import ActiveSearches, SearchAbandoned
from gradio_ui.client import SearchService
from gradio_ui.own_page import place
from gradio_ui.settings import Settings
from gradio_ui.state import DEFAULT_RESULTS, MODES, MOST_RESULTS, WITHDRAWN, PageState, make_state, read_address
from gradio_ui.words import Words, choose_language, words

_SESSIONS = 100

Updates = tuple[Any, ...]
"""Values, or Gradio's descriptions of an update, for the components that an event updates."""


class SearchPage:
    """Handlers of the page's events, with parameters and results in the order of the event's components."""

    def __init__(self, service: SearchService, searches: ActiveSearches | None = None) -> None:
        """Make handlers that search with this service, and cancel searches whose browser has left."""
        self._service = service
        self._searches = searches or ActiveSearches()

    async def search(
        self,
        query: str | None,
        mode: str | None,
        categories: list[str] | None,
        from_year: float | None,
        to_year: float | None,
        withdrawn: bool | None,
        results: float | None,
        address: str | None,
        deep: bool | None = None,
        request: gr.Request | None = None,
    ) -> Updates:
        """Search with the values of the inputs, in the order in the address; without a query, for its papers."""
        before = read_address(address or "")[0]
        is_text = bool(query and query.strip())
        state, notes = make_state(
            q=query,
            like=() if is_text else before.like,
            unlike=() if is_text else before.unlike,
            sort=before.sort,
            varied=before.varied,
            boosted=before.boosted,
            chase=before.chase,
            mode=mode,
            categories=categories,
            # Until the page is restored, Gradio's boxes without a number send 0.
            from_year=from_year or None,
            to_year=to_year or None,
            withdrawn=WITHDRAWN[0 if withdrawn or withdrawn is None else 1],
            deep=bool(deep),
            k=results,
            lang=before.lang,
        )
        text = _words(request, state)
        _remember(request)
        try:
            view = await self._searches.follow(_session(request), page.search(self._service, state, notes, text))
        except SearchAbandoned:
            return (gr.skip(),) * 5
        return (*_updates(view, {}, text), state.address())

    async def restore(self, address: str | None, request: gr.Request | None = None) -> Updates:
        """Restore the inputs and results of an address."""
        state, notes = read_address(address or "")
        text = _words(request, state)
        _remember(request)
        try:
            view = await self._searches.follow(_session(request), page.open_address(self._service, state, notes, text))
        except SearchAbandoned:
            return (gr.skip(),) * 12
        return (
            *_updates(view, {"value": list(state.categories)}, text),
            state.address(),
            state.q,
            state.mode,
            state.from_year,
            state.to_year,
            state.withdrawn == WITHDRAWN[0],
            state.k,
            # A hidden box must not be checked: nobody could uncheck it.
            gr.update(value=state.deep and bool(view.deep), visible=bool(view.deep)),
        )


def build_app(
    settings: Settings, service: SearchService | None = None, searches: ActiveSearches | None = None
) -> gr.Blocks:
    """Build the search page.

    Args:
        settings: The settings of the page.
        service: The service to use; made from the settings if absent. The caller closes it.
        searches: The registry of running searches, which cancels those whose browser has left.
    """
    handlers = SearchPage(service or SearchService(settings), searches)
    blocks: gr.Blocks
    with gr.Blocks(title="Akin", analytics_enabled=False) as blocks:
        # Each holds 240 kB of the page and nothing of its reader; the next event makes it again.
        blocks.state_session_capacity = _SESSIONS
        with gr.Row(elem_id="akin-top"):
            _html(place("masthead"))
            corpus = _html("", elem_id="akin-corpus")
        with gr.Column(elem_id="akin-form"):
            with gr.Row(elem_id="akin-ask"):
                query = gr.Textbox(
                    label=place("ask.label"),
                    placeholder=place("ask.placeholder"),
                    # With one line, Enter starts the search; the box grows with a pasted text.
                    lines=1,
                    max_lines=10,
                    autofocus=True,
                    elem_id="akin-query",
                    show_label=False,
                    container=False,
                    scale=1,
                    html_attributes=gr.InputHTMLAttributes(enterkeyhint="search", autocomplete="off"),
                )
                button = gr.Button(place("ask.button"), variant="primary", elem_id="akin-search", scale=0)
            _html(place("try"), elem_id="akin-try")
            with gr.Row(elem_id="akin-filters"):
                mode = gr.Radio(
                    [(place(f"mode.{each}"), each) for each in MODES],
                    value=MODES[0],
                    label=place("filters.mode"),
                    info=place("filters.mode_info"),
                    elem_id="akin-mode",
                )
                categories = gr.Dropdown(
                    [],
                    value=[],
                    label=place("filters.categories"),
                    multiselect=True,
                    # An address may name a category before the categories of the corpus are loaded.
                    allow_custom_value=True,
                    elem_id="akin-categories",
                )
                from_year = gr.Number(
                    label=place("filters.from"), placeholder=place("filters.any_year"), precision=0, elem_id="akin-from"
                )
                to_year = gr.Number(
                    label=place("filters.to"), placeholder=place("filters.any_year"), precision=0, elem_id="akin-to"
                )
                results = gr.Number(
                    DEFAULT_RESULTS,
                    label=place("filters.results"),
                    precision=0,
                    minimum=1,
                    maximum=MOST_RESULTS,
                    elem_id="akin-k",
                )
                withdrawn = gr.Checkbox(True, label=place("filters.withdrawn"), elem_id="akin-retracted")
                # Shown when the service has a reranker.
                deep = gr.Checkbox(
                    False,
                    label=place("filters.deep"),
                    info=place("filters.deep_info"),
                    elem_id="akin-deep",
                    visible=False,
                )
        status = _html("", elem_id="akin-status")
        found = _html("", elem_id="akin-results")
        address = gr.Textbox(visible="hidden", elem_id="akin-address", label="")
        restoring = gr.Button(visible="hidden", elem_id="akin-restore")

        outputs = [corpus, categories, status, found, address]
        inputs = [query, mode, categories, from_year, to_year, withdrawn, results, address, deep]
        search_event = gr.on(
            [query.submit, button.click],
            handlers.search,
            inputs,
            outputs,
            api_name="search",
            show_progress="hidden",
            trigger_mode="always_last",
            js="(...inputs) => window.akin.begin(inputs)",
        )
        restore_event = gr.on(
            [blocks.load, restoring.click],
            handlers.restore,
            [address],
            [*outputs, query, mode, from_year, to_year, withdrawn, results, deep],
            api_visibility="private",
            show_progress="hidden",
            trigger_mode="always_last",
            js="() => window.akin.restoring()",
        )
        for event, end in ((search_event, "found"), (restore_event, "restored")):
            event.failure(None, None, [status], js="() => window.akin.failed()", api_visibility="private")
            event.success(
                None, [address], None, js=f"(address) => window.akin.{end}(address)", api_visibility="private"
            )
    blocks.queue(default_concurrency_limit=settings.ui_searches, max_size=settings.ui_queue, api_open=False)
    return blocks


def _session(request: gr.Request | None) -> str | None:
    return request.session_hash if request is not None else None


def _remember(request: gr.Request | None) -> None:
    # Gradio runs events in tasks of its queue, which do not know the request.
    client = getattr(request, "client", None)
    reader.remember(client.host if client else None)


def _words(request: gr.Request | None, state: PageState) -> Words:
    accepted = request.headers.get("accept-language") if request is not None else None
    return words(choose_language(accepted, state.lang))


def _html(value: str, elem_id: str | None = None) -> gr.HTML:
    return gr.HTML(value, elem_id=elem_id, apply_default_css=False, js_on_load=None)


def _updates(view: page.View, categories: dict[str, Any], text: Words) -> Updates:
    if view.corpus is None:
        return gr.skip(), gr.update(**categories), view.status, view.results
    categories = {**categories, "choices": render.category_choices(view.corpus)}
    return render.corpus_line(view.corpus, text), gr.update(**categories), view.status, view.results
