"""Readers of files of papers: they yield papers and report the records that they reject."""

from __future__ import annotations

from akin.papers.readers.detection import Format
from akin.papers.readers.mapping import Mapping, parse_mapping
from akin.papers.readers.reader import PaperReader, read_papers
from akin.papers.readers.report import Reason, Report

__all__ = ["Format", "Mapping", "PaperReader", "Reason", "Report", "parse_mapping", "read_papers"]
