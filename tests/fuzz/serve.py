"""Serve a small corpus, with references and a map, for requests that are made from the OpenAPI document."""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import uvicorn

from akin.edge.serving import server_config
from akin.indexing.corpus_map.build import build_map
from akin.indexing.references.importing import import_references
from retrieval_service.app import create_app
from retrieval_service.settings import Settings
from tests.integration.generated import OneEncoder, built


def main(port: int) -> None:
    """Build the corpus, and serve it until the process ends."""
    with tempfile.TemporaryDirectory(prefix="akin-fuzz-") as folder:
        data = Path(folder)
        papers, encoder, _ = built(data, 300)
        dice, ids = random.Random(1), [paper.id for paper in papers]
        pairs = "".join(f"{one},{other}\n" for one, other in (dice.sample(ids, 2) for _ in range(900)))
        (data / "pairs.csv").write_text(f"citing,cited\n{pairs}")
        import_references([data / "pairs.csv"], data)
        build_map(data, None)
        app = create_app(Settings(data=data, feedback="on"), OneEncoder(encoder))
        uvicorn.Server(server_config(app, host="127.0.0.1", port=port, log_level="error")).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
