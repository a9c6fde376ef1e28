"""Measure if memory stays constant: Triton's after 20,000 to 200,000 texts of every length from 1 to 512 tokens."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from akin.cli.corpus import corpus_path
from akin.cli.output import say
from akin.stack_settings import Settings
from benchmarks.encoder.clients import drive, embedding_client
from benchmarks.encoder.systems import start_triton_servers
from benchmarks.encoder.texts import Supply, read_complete_papers
from benchmarks.processes import resident, tree
from benchmarks.report import Row, write_and_print

_SIZES = (1, 3, 8, 32, 64)
_TURN = 2_000


def main(arguments: Sequence[str]) -> None:
    """Send the texts in requests of many sizes, and record resident memory meanwhile."""
    parser = argparse.ArgumentParser(prog="make bench NAME=encoder ARGS=memory", description=__doc__)
    parser.add_argument("corpus", nargs="?", default="sample", help="a file of papers (default: the sample)")
    parser.add_argument("--texts", type=int, default=200_000, help="the number of texts (default 200,000)")
    options = parser.parse_args(arguments)
    settings = Settings.read()
    folder = settings.data / "benchmarks"
    supply = Supply(read_complete_papers(corpus_path(settings, options.corpus), 20_000))
    grpc, http = start_triton_servers(settings, folder / "encoder" / "logs")
    try:
        rows = measure_memory(grpc.address, grpc.child.pid, supply, options.texts)
    finally:
        http.close()
        grpc.close()
    write_and_print("encoder-memory", rows, folder, say)


def measure_memory(address: str, pid: int, supply: Supply, count: int) -> list[Row]:
    """Return the resident memory of the server and of its Python process, after every tenth of the texts."""
    connect = embedding_client("grpc", address, "text_encoder")
    rows = memory_rows(pid, "at start")
    sent, turn = 0, 0
    while sent < count:
        texts = supply.of_random_length(min(_TURN, count - sent))
        size = _SIZES[turn % len(_SIZES)]
        drive(connect, texts, max(2, 64 // size), size)
        sent, turn = sent + len(texts), turn + 1
        if sent % max(_TURN, count // 10) < _TURN:
            rows += memory_rows(pid, f"{sent:,} texts")
            say(", ".join(f"{row.system}: {row.value:.0f} MB" for row in rows[-3:]) + f" after {sent:,} texts")
    return rows


def memory_rows(pid: int, when: str) -> list[Row]:
    """Return a row for the server, one for its Python process, and one for both."""
    found = {"Triton": resident([pid]), "its Python": resident(tree(pid)[1:])}
    found["both"] = sum(found.values())
    return [Row(system, when, "resident", size / 2**20, "MB") for system, size in found.items()]
