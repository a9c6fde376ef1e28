"""HTML of the buttons by which a reader says that a result is useful or not; only where the service keeps that."""

from __future__ import annotations

from html import escape

from gradio_ui.answers import FeedbackOffer
from gradio_ui.words import Words


def buttons(rank: int, text: Words) -> str:
    """Return the two buttons of a result; `feedback.js` presses and releases them.

    Args:
        rank: The place among all results, from 1.
        text: The texts in the reader's language.
    """
    both = "".join(
        f'<button type="button" data-akin-useful="{value}" aria-pressed="false">{escape(text(f"feedback.{key}"))}'
        "</button>"
        for value, key in (("true", "useful"), ("false", "not_useful"))
    )
    label = escape(text("feedback.label"))
    return (
        f'<span class="akin-useful" role="group" aria-label="{label}" aria-describedby="akin-stored" '
        f'data-akin-rank="{rank}">{both}</span>'
    )


def line(offer: FeedbackOffer, text: Words) -> str:
    """Return the line that says what is stored, and the place where the script says what was."""
    key = "stored_opened" if offer.opened else "stored"
    opened = " data-akin-opened" if offer.opened else ""
    return (
        f'<p class="akin-stored" id="akin-stored" data-akin-search="{escape(offer.search)}"{opened}>'
        f'{escape(text(f"feedback.{key}", days=offer.days))} <span class="akin-said" role="status"></span></p>'
    )
