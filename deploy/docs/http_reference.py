"""Write the page of the HTTP routes from an OpenAPI document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_LIMITS = {"ge": "≥", "le": "≤", "gt": ">", "lt": "<", "minimum": "≥", "maximum": "≤", "exclusiveMinimum": ">"}
_LENGTHS = {"minLength": "at least {} characters", "maxLength": "at most {} characters"}


def http_page(document: Mapping[str, Any]) -> str:
    """Return the page: a table of the routes, each route with its parameters, and the types of bodies and answers."""
    operations = [
        (path, method, content) for path, methods in document["paths"].items() for method, content in methods.items()
    ]
    lines = [
        "# HTTP routes\n",
        "Made from the service's OpenAPI document, which a running service has at `/openapi.json`, and as a page at",
        "`/docs`. Every route is below `/v1` too. [HTTP interface](../api.md) explains what they have in common.\n",
        "| route | answers |",
        "| --- | --- |",
    ]
    for path, method, content in operations:
        title = f"{method.upper()} {path}"
        lines.append(f"| [`{title}`](#{anchor(title)}) | {first_sentence(content['description'])} |")
    for path, method, content in operations:
        title = f"{method.upper()} {path}"
        lines += [f"\n## {title}\n", _text(content["description"]), "", *_operation(content)]
    lines.append("\n# Types\n")
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += [f"## {name}\n", *_schema(schema)]
    return "\n".join(lines) + "\n"


def anchor(title: str) -> str:
    """Return the anchor that a heading gets."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower())


def first_sentence(text: str) -> str:
    """Return the first sentence of a description, for a table."""
    return _text(text).partition("\n\n")[0].partition(". ")[0].replace("\n", " ").rstrip(".").replace("|", "\\|") + "."


def type_text(schema: Mapping[str, Any] | bool) -> str:
    """Return a type in words, such as "list of text or null"; names of other types are links."""
    if isinstance(schema, bool):  # JSON Schema: true admits every value
        return "anything"
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(type_text(each) for each in schema[several]))
    match schema.get("type"):
        case "array":
            if "prefixItems" in schema:
                return f"list: {', '.join(type_text(each) for each in schema['prefixItems'])}"
            return f"list of {type_text(schema.get('items', {}))}"
        case "object":
            inside = schema.get("additionalProperties")
            return f"object of {type_text(inside)}" if isinstance(inside, dict) else "object"
        case "string":
            limits = [text.format(schema[key]) for key, text in _LENGTHS.items() if key in schema]
            return ", ".join(["text", *limits])
        case str(name):
            limits = [f"{sign} {schema[key]}" for key, sign in _LIMITS.items() if key in schema]
            return ", ".join([{"integer": "whole number", "boolean": "true or false"}.get(name, name), *limits])
        case _:
            return "anything"


def _operation(content: Mapping[str, Any]) -> Iterator[str]:
    if content.get("parameters"):
        yield from ("| parameter | in | type | default | meaning |", "| --- | --- | --- | --- | --- |")
        for each in content["parameters"]:
            schema = each["schema"]
            meaning = cell(each.get("description") or schema.get("description") or "")
            default = "required" if each.get("required") else _default(schema)
            yield f"| `{each['name']}` | {each['in']} | {type_text(schema)} | {default} | {meaning} |"
        yield ""
    for kind, body in content.get("requestBody", {}).get("content", {}).items():
        yield f"Body: {type_text(body.get('schema', {}))}, as `{kind}`.\n"
        if body.get("example"):
            yield from ("```json", json.dumps(body["example"], ensure_ascii=False), "```", "")
    yield from ("| status | answer |", "| --- | --- |")
    for status, answer in content["responses"].items():
        kinds = [
            f"{type_text(each['schema'])} as `{kind}`" if each.get("schema") else f"`{kind}`"
            for kind, each in answer.get("content", {}).items()
        ]
        yield f"| {status} | {cell(answer['description'])} {', '.join(kinds)} |"


def _schema(schema: Mapping[str, Any]) -> Iterator[str]:
    if schema.get("description"):
        yield _text(schema["description"]) + "\n"
    if "properties" not in schema:
        yield f"{type_text(schema)}\n"
        return
    yield from ("| field | type | default | meaning |", "| --- | --- | --- | --- |")
    for name, each in schema["properties"].items():
        default = "required" if name in schema.get("required", ()) else _default(each)
        yield f"| `{name}` | {type_text(each)} | {default} | {cell(each.get('description') or '')} |"
    yield ""


def _default(schema: Mapping[str, Any]) -> str:
    if "default" not in schema:
        return ""
    return f"`{json.dumps(schema['default'], ensure_ascii=False)}`"


def _text(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines())


def cell(text: str) -> str:
    """Return a text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
