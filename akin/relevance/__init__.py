"""Test collections of several formats, sets of the kinds of search that people do, and the metrics of a ranking."""

from akin.relevance.collection import Collection
from akin.relevance.errors import RelevanceError
from akin.relevance.kinds import KINDS
from akin.relevance.known_items import KNOWN_ITEM_KINDS, write_known_items
from akin.relevance.loaders import FORMATS, format_of, read_collection, read_collections
from akin.relevance.loaders.inside import place_inside, write_distractors
from akin.relevance.making import MadeSet, make_sets
from akin.relevance.metrics import METRICS, mean_metrics, query_metrics, scores_of_order
from akin.relevance.slices import query_slices
from akin.relevance.writing import corpus_file

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
