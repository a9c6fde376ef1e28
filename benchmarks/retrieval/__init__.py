"""Measure vector search at the size of arXiv: index recipes and peers on the same vectors, and searches over HTTP."""


def main() -> None:
    """Run the benchmark."""
    # Imported here: processes in the peers' environments import this package, and these lack the project's libraries.
    from benchmarks.retrieval.command import main as command

    command()
