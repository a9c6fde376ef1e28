"""Measure how well encoders search, beside BM25 and each other, with confidence intervals.

`evaluate_systems` measures and writes the report; `write_known_items` makes a set of papers to find again.
"""

from __future__ import annotations

from training.evaluation.known_item import RUN_KINDS, write_known_items
from training.evaluation.ranking import Bm25
from training.evaluation.report import Difference, EvaluationReport, Score, read_report
from training.evaluation.run import evaluate_systems, write_report
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
    "evaluate_systems",
    "read_report",
    "write_known_items",
    "write_report",
]
