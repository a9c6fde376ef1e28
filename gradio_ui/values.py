"""The values that a request for one of the page's events may hold, by the components that they are for.

Gradio looks at values only while it handles an event, and writes a trace to the log for each that does not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import gradio as gr
from pydantic import ConfigDict, Field, TypeAdapter

Values: TypeAlias = Sequence[TypeAdapter[Any]]
"""One adapter for each value of an event."""

_STRICT = ConfigDict(strict=True, allow_inf_nan=False)
_Number = Annotated[float, Field(ge=-1e9, le=1e9)] | Annotated[int, Field(ge=-(10**9), le=10**9)]
_Chosen = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=500)]


def values_for(inputs: Iterable[object]) -> Values:
    """Return the adapters for the inputs of an event, in their order.

    Raises:
        TypeError: A component is of a kind that the page does not have yet.
    """
    return [TypeAdapter(_kind(component) | None, config=_STRICT) for component in inputs]


def _kind(component: object) -> Any:
    match component:
        case gr.Textbox():
            return str
        case gr.Number():
            return _Number
        case gr.Dropdown(multiselect=True):
            return _Chosen
        case gr.Radio():
            return Literal[tuple(value for _, value in component.choices)]
    raise TypeError(f"{type(component).__name__} is no kind of input that the page's gate knows: add it to values.py")
