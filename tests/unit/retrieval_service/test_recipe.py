from __future__ import annotations

import pytest

from retrieval_service.adapters.faiss_recipe import recipe_for


@pytest.mark.parametrize(
    ("papers", "factory"),
    [
        (1, "SQfp16"),
        (49_999, "SQfp16"),
        (50_000, "IVF256,RaBitQ,Refine(SQ8)"),
        (100_000, "IVF512,RaBitQ,Refine(SQ8)"),
        (600_000, "IVF2048,RaBitQ,Refine(SQ8)"),
        (2_500_000, "IVF4096,RaBitQ,Refine(SQ8)"),
    ],
)
def test_recipes(papers: int, factory: str) -> None:
    recipe = recipe_for(papers)
    assert recipe.factory == factory
    assert recipe.nlist is None or papers / recipe.nlist >= 100
