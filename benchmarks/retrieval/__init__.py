"""Vector search at the size of arXiv: index recipes and peers on the same vectors, and the whole path over HTTP."""


def main() -> None:
    """Measures; imported late, as the processes under measurement import this package in other environments."""
    from benchmarks.retrieval.command import main as command

    command()
