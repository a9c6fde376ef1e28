"""Look of the page: the system's own fonts, a light and a dark theme; nothing is fetched from other sites."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import gradio as gr

from gradio_ui import katex_files

_HERE: Final = Path(__file__).parent
_SANS: Final = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Liberation Sans", "sans-serif")
_MONO: Final = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")


def head() -> str:
    """Return what the page's head holds: the page's own script, and the one for mathematics if KaTeX is there."""
    scripts = ["page.js", *(["mathematics.js"] if katex_files.is_there() else [])]
    # The address contains the query, which must not be sent to the sites that the results link to.
    return '<meta name="referrer" content="same-origin"><meta name="color-scheme" content="light dark">' + "".join(
        f"<script>{(_HERE / script).read_text(encoding='utf-8')}</script>" for script in scripts
    )


def css() -> str:
    """Return the page's style sheet."""
    return (_HERE / "page.css").read_text(encoding="utf-8")


_COLOURS: Final = {
    "body_background_fill": ("#faf8f4", "#161715"),
    "body_text_color": ("#22262a", "#e6e3dc"),
    "body_text_color_subdued": ("#66635c", "#a8a499"),
    "link_text_color": ("#1d5f58", "#86cbc0"),
    "border_color_primary": ("#e2ddd0", "#34342f"),
    "background_fill_secondary": ("#efebe0", "#2a2b27"),
    "block_background_fill": ("transparent", "transparent"),
    "block_shadow": ("none", "none"),
    "block_info_text_color": ("*body_text_color_subdued", "*body_text_color_subdued"),
    "block_title_text_color": ("*body_text_color_subdued", "*body_text_color_subdued"),
    "input_background_fill": ("#ffffff", "#1f201d"),
    "input_border_color": ("#d6d0c2", "#41413b"),
    "input_border_color_focus": ("#1d5f58", "#86cbc0"),
    "checkbox_label_background_fill": ("transparent", "transparent"),
    "checkbox_label_background_fill_hover": ("*background_fill_secondary", "*background_fill_secondary"),
    "checkbox_label_background_fill_selected": ("#1d5f58", "#2b7d74"),
    "checkbox_label_text_color_selected": ("#ffffff", "#ffffff"),
    "checkbox_label_border_color": ("*border_color_primary", "*border_color_primary"),
    "button_primary_background_fill": ("#1d5f58", "#2b7d74"),
    "button_primary_background_fill_hover": ("#174d48", "#35938a"),
    "button_primary_border_color": ("transparent", "transparent"),
    "button_primary_text_color": ("#ffffff", "#ffffff"),
}
"""Values of Gradio's variables in the light and in the dark theme."""


def theme() -> gr.themes.Base:
    """Return Gradio's base theme with the page's colours and fonts."""
    light = {name: value for name, (value, _) in _COLOURS.items()}
    dark = {f"{name}_dark": value for name, (_, value) in _COLOURS.items()}
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_md,
        font=_SANS,
        font_mono=_MONO,
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
