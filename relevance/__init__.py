"""Test collections of several formats, sets of the kinds of search that people do, and the metrics of a ranking."""

from relevance.collection import Collection
from relevance.errors import RelevanceError
from relevance.kinds import KINDS
from relevance.known_items import KNOWN_ITEM_KINDS, write_known_items
from relevance.loaders import FORMATS, format_of, read_collection, read_collections
from relevance.loaders.inside import place_inside, write_distractors
from relevance.making import MadeSet, make_sets
from relevance.metrics import METRICS, mean_metrics, query_metrics, scores_of_order
from relevance.slices import query_slices
from relevance.writing import corpus_file

__all__ = [
    "FORMATS",
    "KINDS",
    "KNOWN_ITEM_KINDS",
    "METRICS",
    "Collection",
    "MadeSet",
    "RelevanceError",
    "corpus_file",
    "format_of",
    "make_sets",
    "mean_metrics",
    "place_inside",
    "query_metrics",
    "query_slices",
    "read_collection",
    "read_collections",
    "scores_of_order",
    "write_distractors",
    "write_known_items",
]
