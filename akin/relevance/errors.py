"""The error that this room raises."""


class RelevanceError(Exception):
    """A test collection cannot be read, written or measured; the message names the reason and the next step."""
