"""Evaluation: how well encoders search, against BM25 and against each other, with intervals.

`evaluate` is the whole of it; `known_items` makes sets of papers to find again, `write_known_items` as folders.
"""

from __future__ import annotations

from training.evaluation.known_item import RUN_KINDS, write_known_items
from training.evaluation.ranking import Bm25
from training.evaluation.report import Difference, EvaluationReport, Score, read_report
from training.evaluation.run import evaluate, write_report
from training.evaluation.systems import AnySystem, System, TorchSystem, VersionSystem

__all__ = [
    "RUN_KINDS",
    "AnySystem",
    "Bm25",
    "Difference",
    "EvaluationReport",
    "Score",
    "System",
    "TorchSystem",
    "VersionSystem",
    "evaluate",
    "read_report",
    "write_known_items",
    "write_report",
]
