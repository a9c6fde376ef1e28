"""Papers from servers: a file from a URL or bucket, and arXiv's metadata by harvest."""

from __future__ import annotations

from akin.papers.remote.account import Harvest
from akin.papers.remote.download import Download, download, public_url
from akin.papers.remote.harvest import ARXIV, finished_harvests, harvest

__all__ = ["ARXIV", "Download", "Harvest", "download", "finished_harvests", "harvest", "public_url"]
