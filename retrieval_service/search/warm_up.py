"""Search a corpus before it is served, so that no request waits for work that is done only once.

The first search of a process takes tens of milliseconds more than the next: code is loaded, caches are filled, pages of
the files are read. Meanwhile the previous corpus is still served.
"""

from __future__ import annotations

import logging

import numpy as np

from akin.papers import Paper, passage_text
from retrieval_service.errors import RetrievalError
from retrieval_service.ports import Corpus
from retrieval_service.search.engine import SearchEngine
from retrieval_service.search.parameters import LONGEST_QUERY
from retrieval_service.search.request import Mode, SearchRequest

_log = logging.getLogger(__name__)
_PAPERS = 4


async def warm(engine: SearchEngine, corpus: Corpus) -> None:
    """Search by some of the corpus's own papers, in every mode, until a search fails."""
    for paper in _sample(corpus):
        text = passage_text(paper)[:LONGEST_QUERY]
        code = paper.categories[:1]
        try:
            # The searches that need no encoder come first.
            await engine.search(corpus, SearchRequest(like=(paper.id,), categories=code))
            await engine.search(corpus, SearchRequest(text=text, mode=Mode.LEXICAL, operators=False, categories=code))
            await engine.search(corpus, SearchRequest(text=text, operators=False, highlight=True, facets=True))
        except RetrievalError as error:
            _log.info("The corpus is only partly warm, so its first searches are slower: %s", error)
            return


def _sample(corpus: Corpus) -> list[Paper]:
    count = len(corpus.catalogue)
    rows = np.linspace(0, count - 1, min(count, _PAPERS), dtype=np.int64)
    return corpus.catalogue.papers(rows.tolist())
