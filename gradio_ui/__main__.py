"""`python -m gradio_ui`: serve the search page until told to stop."""

import signal
import sys
from types import FrameType


def stop(signum: int, frame: FrameType | None) -> None:
    """End the process without complaint."""
    sys.exit(0)


if __name__ == "__main__":
    # Before Gradio is imported, which takes seconds in which a user may already have changed their mind.
    # uvicorn takes signals over while it serves, finishes, and then raises the one it got again, for this to end it.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)

    from gradio_ui.serve import main

    sys.exit(main())
