import json

import msgspec
import pytest

from training.registry import publish, recipes
from training.registry.source import DEFAULT_NAME

PUBLISHED = """akin-minilm-l6 all-MiniLM-L6-v2 all-MiniLM-L12-v2 bge-small-en-v1.5 bge-base-en-v1.5 e5-small-v2
gte-small NoInstruct-small-Embedding-v0 snowflake-arctic-embed-xs snowflake-arctic-embed-s mdbr-leaf-ir
granite-embedding-30m-english granite-embedding-small-english-r2 gte-modernbert-base nomic-embed-text-v1.5 specter2
multilingual-e5-small potion-retrieval-32M""".split()


def test_every_recipe_is_complete() -> None:
    assert [each.name for each in recipes.recipes()] == PUBLISHED
    for each in recipes.recipes():
        assert each.hub.count("/") == 1
        assert each.licence in {"Apache-2.0", "MIT"}
        assert 0 < each.dim <= 768
        assert 128 <= each.tokens <= 8192
        assert all(0 < length < each.dim for length in each.dimensions)
        assert each.choose
        # Prompts end where the text begins.
        assert all(not prompt or prompt.endswith(" ") for prompt in (each.query, each.passage))


def test_a_recipe_is_found_by_name_in_any_case_and_by_hub_id() -> None:
    found = recipes.find("BGE-small-en-V1.5")
    assert found is recipes.find("BAAI/bge-small-en-v1.5")
    assert found is not None
    assert found.query == "Represent this sentence for searching relevant passages: "
    assert recipes.find("bge-small") is None
    assert recipes.find(DEFAULT_NAME) is not None


def test_the_command_prints_the_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    assert recipes.main([]) == 0
    assert capsys.readouterr().out.split() == PUBLISHED
    assert recipes.main(["--json"]) == 0
    printed = json.loads(capsys.readouterr().out)["recipes"]
    assert printed[12]["figures"] == {"scifact": 0.755, "scidocs": 0.241, "nfcorpus": 0.371}


def test_the_table_in_the_docs_is_that_of_the_recipes() -> None:
    page = (publish.PROJECT_MODEL.parents[1] / "docs" / "encoders.md").read_text()
    for each in recipes.recipes():
        figures = [f"{figure:.3f}" if figure else "" for figure in msgspec.structs.astuple(each.figures)]
        prompts = " and ".join(kind for kind in ("query", "passage") if getattr(each, kind))
        cells = [f"`{each.name}`", f"{each.parameters:g}", str(each.dim), f"{each.tokens:,}", each.licence, *figures]
        assert f"| {' | '.join([*cells, prompts, each.choose])} |" in page
