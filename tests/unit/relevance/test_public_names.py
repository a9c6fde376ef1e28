import relevance

PUBLIC = """
KNOWN_ITEM_KINDS METRICS Collection RelevanceError mean_metrics query_metrics read_collection read_collections
scores_of_order write_known_items
"""


def test_all_names_what_is_public() -> None:
    assert sorted(relevance.__all__) == sorted(PUBLIC.split())
