"""Describe the query of a search as it was understood."""

from __future__ import annotations

from retrieval_service.search.answer import NamedPaper, QueryAnswer
from retrieval_service.search.planner import SearchPlan


def query_answer(text: str | None, plan: SearchPlan, tokens: int | None, truncated: bool) -> QueryAnswer:
    """Return the description of a query.

    Args:
        text: The text of the request.
        plan: How it was read.
        tokens: Its length as the encoder counted it; None if the encoder was not used.
        truncated: True if the encoder read only its beginning.
    """
    like, unlike = ([NamedPaper.named(paper) for paper in side] for side in (plan.like, plan.unlike))
    return QueryAnswer(
        text=None if like else text,
        like=like,
        truncated=truncated,
        tokens=tokens,
        words=plan.words,
        operators=plan.operators,
        unlike=unlike,
    )
