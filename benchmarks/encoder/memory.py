"""Whether memory stays flat: Triton's after 20,000 and after 200,000 texts of every length from 1 to 512 tokens."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from akin.cli.corpus import corpus_path
from akin.cli.output import say
from akin.settings import Settings
from benchmarks.encoder.clients import drive, embedding_client
from benchmarks.encoder.systems import resident, start_triton_servers, tree
from benchmarks.encoder.texts import Supply, read
from benchmarks.report import Row, table, write

_SIZES = (1, 3, 8, 32, 64)
_TURN = 2_000


def main(arguments: Sequence[str]) -> None:
    """Sends the texts in requests of many sizes, and writes down resident memory on the way."""
    parser = argparse.ArgumentParser(prog="make bench NAME=encoder ARGS=memory", description=__doc__)
    parser.add_argument("corpus", nargs="?", default="sample", help="a file of papers (default: the sample)")
    parser.add_argument("--texts", type=int, default=200_000, help="how many in all (default 200,000)")
    options = parser.parse_args(arguments)
    settings = Settings.read()
    folder = settings.data / "benchmarks"
    supply = Supply(read(corpus_path(settings, options.corpus), 20_000))
    grpc, http = start_triton_servers(settings, folder / "encoder" / "logs")
    try:
        rows = measure(grpc.address, grpc.child.pid, supply, options.texts)
    finally:
        http.close()
        grpc.close()
    path = write("encoder-memory", rows, folder)
    print(table(rows))
    say(f"written to {path} and {path.with_suffix('.md').name}")


def measure(address: str, pid: int, supply: Supply, count: int) -> list[Row]:
    """Resident memory of the server and of its Python process after every tenth of the texts."""
    connect = embedding_client("grpc", address, "text_encoder")
    rows = sizes_of(pid, "at start")
    sent, turn = 0, 0
    while sent < count:
        texts = supply.of_random_length(min(_TURN, count - sent))
        size = _SIZES[turn % len(_SIZES)]
        drive(connect, texts, max(2, 64 // size), size)
        sent, turn = sent + len(texts), turn + 1
        if sent % max(_TURN, count // 10) < _TURN:
            rows += sizes_of(pid, f"{sent:,} texts")
            say(", ".join(f"{row.system}: {row.value:.0f} MB" for row in rows[-3:]) + f" after {sent:,} texts")
    return rows


def sizes_of(pid: int, when: str) -> list[Row]:
    """One row each for the server, its Python process, and both."""
    found = {
        "Triton": resident(pid),
        "its Python": sum(resident(child) for child in tree(pid)[1:]),
    }
    found["both"] = sum(found.values())
    return [Row(system, when, "resident", size / 2**20, "MB") for system, size in found.items()]
