"""Colours and fonts of all pages, light and dark; nothing is fetched from other sites."""

from __future__ import annotations

from typing import Final

SANS: Final = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Liberation Sans", "sans-serif")
MONO: Final = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")
COLOURS: Final = {
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


def variables() -> str:
    """Return a style sheet that defines the colours as Gradio does, for pages without Gradio."""
    light = "".join(f"--{_variable(name)}:{_reference(value)};" for name, (value, _) in COLOURS.items())
    dark = "".join(f"--{_variable(name)}:{_reference(value)};" for name, (_, value) in COLOURS.items())
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"


def _variable(name: str) -> str:
    return name.replace("_", "-")


def _reference(value: str) -> str:
    return f"var(--{_variable(value[1:])})" if value.startswith("*") else value
