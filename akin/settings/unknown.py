"""Find environment variables that look like settings but are not, as a misspelt one has no effect."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches

from akin.settings.base import PREFIX
from akin.settings.reference import definitions


def warnings(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return a line for each variable that begins with `AKIN_` and is not a setting, with the most similar setting."""
    known = definitions()
    lines = []
    for name in sorted(os.environ if environ is None else environ):
        if name.startswith(PREFIX) and name not in known:
            near = get_close_matches(name[:80], known, 1, 0.75)
            hint = f" Did you mean {near[0]}?" if near else " docs/settings.md lists all of them."
            lines.append(f"{name[:80]} is not a setting of Akin.{hint}")
    return lines
