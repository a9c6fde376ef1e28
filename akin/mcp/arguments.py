"""Arguments of the tools: the models that validate them, and from which their schemas are made.

They have the names of the API, which checks what is not checked here: dates, categories and ids.
"""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from akin.mcp.asking import ToolError

_LONGEST_QUERY = 20_000
_LONGEST_NAME = 500


def _list(value: object) -> object:
    """Return a list for what models write in place of one: a text, or a text with JSON in it."""
    if not isinstance(value, str):
        return value
    try:
        parsed = json.loads(value) if value.lstrip().startswith("[") else None
    except (ValueError, RecursionError):
        parsed = None
    return parsed if isinstance(parsed, list) else [value]


_Name = Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)]
_Names = Annotated[list[_Name], BeforeValidator(_list)]


class Arguments(BaseModel):
    """Arguments of a tool; others are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def read(cls, given: dict[str, Any]) -> Self:
        """Return the arguments that a client gave; an argument that is null counts as absent.

        Raises:
            ToolError: One is missing, unknown, of the wrong type or out of bounds.
        """
        try:
            return cls.model_validate({name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            raise ToolError(cls._explain(error)) from None

    @classmethod
    def schema_of(cls) -> dict[str, Any]:
        """Return the JSON schema."""
        return plain_schema(cls.model_json_schema())

    @classmethod
    def _explain(cls, error: ValidationError) -> str:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = str(first["loc"][0])[:40] if first["loc"] else "arguments"
        names = [field.alias or key for key, field in cls.model_fields.items()]
        if first["type"] == "extra_forbidden":
            near = get_close_matches(name, names, 1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(names) or 'none'}."
            return f"There is no argument {name!a}. {hint}"
        if first["type"] == "missing":
            return f"The argument {name} is missing."
        problem = re.sub(r"^\w+ should ", "must ", first["msg"])
        return f"{name} {problem if problem.startswith('must') else f'is wrong: {problem}'}."


class Sized(Arguments):
    """Bound on the length of an answer."""

    max_characters: int = Field(
        12_000,
        ge=1000,
        le=100_000,
        description="Longest answer, for the text and for the structured content each; what does not fit is left out, "
        "and the answer says so.",
    )


class Narrowed(Sized):
    """Number of results, conditions on them, and how much of them is shown."""

    k: int = Field(10, ge=1, le=50, description="Number of papers.")
    offset: int = Field(0, ge=0, le=1000, description="Number of better papers to leave out, for the next page.")
    mode: Literal["hybrid", "dense", "lexical"] = Field(
        "hybrid", description="Search by meaning and words (hybrid), by meaning (dense) or by words (lexical)."
    )
    sort: Literal["relevance", "newest", "oldest", "recent", "citations"] = Field(
        "relevance",
        description="Order: by relevance; the best matches by date or by citations; or by relevance with a taste for "
        "the new (recent).",
    )
    diversity: float = Field(
        0.0, ge=0, le=1, description="Weight of the differences between results beside their relevance; 0 for none."
    )
    facets: bool = Field(False, description="Count the matches by year and by category.")
    highlight: bool = Field(False, description="Say why each paper was found, and which sentence fits best.")
    chase: bool = Field(
        False, description="Add papers that the best results cite or are cited by, if corpus_info tells of references."
    )
    first: str = Field("", alias="from", description="Oldest date: YYYY, YYYY-MM or YYYY-MM-DD.", max_length=40)
    last: str = Field("", alias="to", description="Newest date: YYYY, YYYY-MM or YYYY-MM-DD.", max_length=40)
    categories: _Names = Field(
        [], max_length=64, description="Only papers in one of these categories: cs.LG, or cs for all of cs."
    )
    exclude_categories: _Names = Field([], max_length=64, description="No papers in these categories.")
    authors: _Names = Field(
        [], max_length=32, description="Only papers by one of these authors: Erdős, Paul Erdős or P. Erdős."
    )
    cites: _Names = Field(
        [], max_length=32, description="Only papers that cite one of these papers, if corpus_info tells of references."
    )
    cited_by: _Names = Field([], max_length=32, description="Only papers that one of these papers cites.")
    withdrawn: Literal["include", "exclude", "only"] = Field("include", description="Withdrawn papers.")
    abstracts: Literal["short", "full", "none"] = Field(
        "short", description="How much of each abstract to return: its first 400 characters, all of it, or nothing."
    )

    def search_body(self) -> dict[str, Any]:
        """Return the body of the search, without what the API has by default or does not know."""
        return self.model_dump(by_alias=True, exclude_defaults=True, exclude={"abstracts", "max_characters", "id"})


class SearchPapers(Narrowed):
    """Arguments of `search_papers`."""

    query: str = Field(
        min_length=1,
        max_length=_LONGEST_QUERY,
        description="A question, keywords, an abstract, or ids of papers. Conditions may be part of it: "
        '"exact words", -without, ti:word, abs:word, au:"P. Erdős", cat:cs.LG, AND, OR, ANDNOT, brackets.',
    )


class SimilarPapers(Narrowed):
    """Arguments of `similar_papers`."""

    id: _Name = Field(description="The paper: its id, arXiv id, address or DOI.")


class PapersLikeList(Narrowed):
    """Arguments of `papers_like_list`."""

    like: _Names = Field(min_length=1, max_length=32, description="Ids of the papers to find similar ones to.")
    unlike: _Names = Field([], max_length=32, description="Ids of papers to move away from.")


class GetPaper(Sized):
    """Arguments of `get_paper`."""

    id: _Name = Field(description="The paper: its id, arXiv id, address or DOI.")


class ExportCitations(Sized):
    """Arguments of `export_citations`."""

    ids: _Names = Field(min_length=1, max_length=100, description="Ids of the papers, in the order of the file.")
    format: Literal["bibtex", "ris", "csl-json"] = Field("bibtex", description="Format of the citations.")


class CorpusInfo(Arguments):
    """Arguments of `corpus_info`: none."""


def plain_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of pydantic without what says nothing to a client, and with required properties first."""
    for model in (schema, *schema.get("$defs", {}).values()):
        model.pop("title", None)
        model.pop("description", None)
        properties, required = model.get("properties", {}), model.get("required", ())
        for field in properties.values():
            field.pop("title", None)
        model["properties"] = dict(sorted(properties.items(), key=lambda item: item[0] not in required))
    return schema
