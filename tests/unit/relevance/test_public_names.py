from akin import relevance

PUBLIC = """
FORMATS KINDS KNOWN_ITEM_KINDS METRICS Collection MadeSet RelevanceError corpus_file format_of make_sets mean_metrics
place_inside query_metrics query_slices read_collection read_collections scores_of_order write_distractors
write_known_items
"""


def test_all_names_what_is_public() -> None:
    assert sorted(relevance.__all__) == sorted(PUBLIC.split())
