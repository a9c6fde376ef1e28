"""Serve the search page until a signal ends the process: `python -m gradio_ui`."""

import signal
import sys
from types import FrameType


def stop(signum: int, frame: FrameType | None) -> None:
    """End the process with exit code 0."""
    sys.exit(0)


if __name__ == "__main__":
    # Gradio's import takes seconds: signals are handled before it. While uvicorn serves, it handles signals itself,
    # finishes, and then raises the received signal again, which ends the process here.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)

    from gradio_ui.serve import main

    sys.exit(main())
