"""Searching a corpus before anybody asks, so that nobody waits for what happens once only.

The first search of a process takes tens of milliseconds more than the next: code is loaded, caches are filled, pages of
the files are read. All of that is cheaper while the one before is still served.
"""

from __future__ import annotations

import logging

import numpy as np

from papers import Paper, passage_text
from retrieval_service.errors import RetrievalError
from retrieval_service.ports import Corpus
from retrieval_service.search.engine import SearchEngine
from retrieval_service.search.request import LONGEST_QUERY, Mode, SearchRequest

_log = logging.getLogger(__name__)
_PAPERS = 4


async def warm(engine: SearchEngine, corpus: Corpus) -> None:
    """Searches by some of the corpus's own papers, in every way; what cannot be searched now is left cold."""
    for paper in _some(corpus):
        text = passage_text(paper)[:LONGEST_QUERY]
        code = paper.categories[:1]
        try:
            # What needs no encoder comes first.
            await engine.search(corpus, SearchRequest(like=(paper.id,), categories=code))
            await engine.search(corpus, SearchRequest(text=text, mode=Mode.LEXICAL, operators=False, categories=code))
            await engine.search(corpus, SearchRequest(text=text, operators=False))
        except RetrievalError as error:
            _log.info("Not all of the corpus is warm: %s", error)
            return


def _some(corpus: Corpus) -> list[Paper]:
    count = len(corpus.catalogue)
    rows = np.linspace(0, count - 1, min(count, _PAPERS), dtype=np.int64)
    return corpus.catalogue.papers(rows.tolist())
