"""The search page: one Gradio app that speaks HTTP to the retrieval service and to nothing else.

Public here: `Settings`. The page itself is `gradio_ui.app.build_app`; `python -m gradio_ui` serves it.
"""

import os

from gradio_ui.settings import Settings

# Gradio reads these when it is first imported or builds a queue, and this package is imported before either.
# The page calls no one but the service, and keeps no statistics of its own: Gradio would summarise its last 10,000
# events with pandas after every single one.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(2**62)

__all__ = ["Settings"]
