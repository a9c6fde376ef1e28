"""Search page: one Gradio app that sends HTTP requests to the retrieval service and to nothing else.

Public: `Settings`. `gradio_ui.app.build_app` builds the page; `python -m gradio_ui` serves it.
"""

import os

from gradio_ui.settings import Settings

# Gradio reads these at its first import and when it builds a queue; this package is imported before both.
# The page sends requests to the service only, and keeps no statistics: Gradio would summarise its last 10,000 events
# with pandas after each event.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(2**62)

__all__ = ["Settings"]
