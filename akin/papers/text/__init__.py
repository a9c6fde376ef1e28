"""Text of papers: what a source holds is cleaned here, and made ready to be shown."""

from __future__ import annotations

from akin.papers.text.clean import clean_abstract, clean_text
from akin.papers.text.display import display_text

__all__ = ["clean_abstract", "clean_text", "display_text"]
