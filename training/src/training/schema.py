"""Base class, number types and explanations of the configuration's keys.

Each key is a typed field whose annotation carries its explanation. The same definition checks the values and fills the
table in `docs/training.md` (`training.pipeline.reference`).
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]
PartialShare = Annotated[float, Meta(ge=0, lt=1)]
OpenShare = Annotated[float, Meta(gt=0, lt=1)]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Above0 = Annotated[float, Meta(gt=0)]
AtLeast0 = Annotated[float, Meta(ge=0)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Part of the configuration. It refuses keys that it does not define."""


def explain(explanation: str) -> Meta:
    """Return the explanation of a key, to be put into its annotation."""
    return Meta(description=explanation)
