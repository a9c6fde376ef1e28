"""Test collections in BEIR's layout, known-item sets, and the metrics of a ranking."""

from relevance.collection import Collection, read_collection, read_collections
from relevance.errors import RelevanceError
from relevance.known_items import KNOWN_ITEM_KINDS, write_known_items
from relevance.metrics import METRICS, mean_metrics, query_metrics, scores_of_order

__all__ = [
    "KNOWN_ITEM_KINDS",
    "METRICS",
    "Collection",
    "RelevanceError",
    "mean_metrics",
    "query_metrics",
    "read_collection",
    "read_collections",
    "scores_of_order",
    "write_known_items",
]
