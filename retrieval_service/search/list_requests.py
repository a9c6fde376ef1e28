"""Requests about a list of papers, which its reader has collected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, ConfigDict

from retrieval_service.search.request import (
    MOST_LISTED,
    Number,
    Withdrawn,
    _Categories,
    _field,
    _FirstDay,
    _LastDay,
    _Names,
    _no_bool,
)

_Listed = Annotated[
    _Names,
    _field("Ids of the papers of the list, each in any form that is understood.", min_length=1, max_length=MOST_LISTED),
]


@dataclass(frozen=True, kw_only=True)
class PapersRequest:
    """Papers to look up."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    ids: _Listed


@dataclass(frozen=True, kw_only=True)
class MissingRequest:
    """List of papers, and conditions on the papers that it may lack."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    ids: _Listed
    unlike: Annotated[
        _Names, _field("Ids of papers to move away from; they are never found.", max_length=MOST_LISTED)
    ] = ()
    k: Annotated[Number, _field("Number of papers to find.", ge=1, le=100)] = 20
    diversity: Annotated[
        float,
        BeforeValidator(_no_bool),
        _field(
            "Weight of the differences between the papers of a topic beside their nearness, 0 to 1; 0 for none.",
            ge=0,
            le=1,
            allow_inf_nan=False,
        ),
    ] = 0.3
    categories: Annotated[_Categories, _field("Categories of which a paper has at least one.")] = ()
    exclude_categories: Annotated[_Categories, _field("Categories of which a paper has none.")] = ()
    first: Annotated[_FirstDay, _field("Oldest day, month or year: YYYY, YYYY-MM or YYYY-MM-DD.", "from")] = None
    last: Annotated[_LastDay, _field("Newest day, month or year: YYYY, YYYY-MM or YYYY-MM-DD.", "to")] = None
    withdrawn: Annotated[
        Withdrawn, _field("Withdrawn papers: `include` them, `exclude` them, or find them `only`.")
    ] = Withdrawn.EXCLUDE
