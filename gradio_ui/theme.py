"""Look of the page: the system's own fonts, a light and a dark theme; nothing is fetched from other sites."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import gradio as gr

from gradio_ui.colours import COLOURS, MONO, SANS

_HERE: Final = Path(__file__).parent


def css() -> str:
    """Return the page's style sheet."""
    return (_HERE / "page.css").read_text(encoding="utf-8")


def theme() -> gr.themes.Base:
    """Return Gradio's base theme with the page's colours and fonts."""
    light = {name: value for name, (value, _) in COLOURS.items()}
    dark = {f"{name}_dark": value for name, (_, value) in COLOURS.items()}
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_md,
        font=SANS,
        font_mono=MONO,
    ).set(
        **light,
        **dark,
        block_border_width="0px",
        block_padding="0",
        input_border_width="1px",
        input_shadow="none",
        input_shadow_focus="none",
        checkbox_label_border_width="1px",
    )
