"""Types of the values that a request for an event of the page may contain, by component.

Gradio checks values only while it handles an event, and logs a traceback for each value that does not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import gradio as gr
from pydantic import ConfigDict, Field, TypeAdapter

Values: TypeAlias = Sequence[TypeAdapter[Any]]
"""One type adapter for each value of an event."""

_STRICT = ConfigDict(strict=True, allow_inf_nan=False)
_Number = Annotated[float, Field(ge=-1e9, le=1e9)] | Annotated[int, Field(ge=-(10**9), le=10**9)]
_Choices = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=500)]


def values_for(inputs: Iterable[object]) -> Values:
    """Return the type adapters for the inputs of an event, in their order.

    Raises:
        TypeError: A component has a type for which no adapter is defined here.
    """
    return [TypeAdapter(_value_type(component) | None, config=_STRICT) for component in inputs]


def _value_type(component: object) -> Any:
    match component:
        case gr.Textbox():
            return str
        case gr.Number():
            return _Number
        case gr.Dropdown(multiselect=True):
            return _Choices
        case gr.Radio():
            return Literal[tuple(value for _, value in component.choices)]
        case gr.Checkbox():
            return bool
    raise TypeError(f"{type(component).__name__} has no type of values for the page's gate: add one to values.py")
