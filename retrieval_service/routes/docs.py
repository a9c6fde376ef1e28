"""`/docs` and `/openapi.json`: the description of the routes, for readers and for programs."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from retrieval_service.routes.version_prefix import PREFIX

_STYLE = """
:root { color-scheme: light dark; } body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
padding: 0 1rem; } h2 { margin-top: 2.5rem; } code, pre { font-family: ui-monospace, monospace; font-size: .92em; }
pre { padding: .75rem; overflow-x: auto; border: 1px solid #8886; border-radius: 6px; } td, th { text-align: left;
vertical-align: top; padding: .25rem .75rem .25rem 0; } .method { display: inline-block; min-width: 3.5rem; }
"""
STYLE_SOURCE = f"'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'"
"""The style sheet of the page as a source in a Content-Security-Policy."""
_EXAMPLE = """curl 'BASE/search?q=graph+neural+networks&amp;k=3'
curl -H 'content-type: application/json' -d '{"query": "graph neural networks", "categories": ["cs.*"]}' BASE/search"""


async def docs(request: Request) -> Response:
    """Return the page, which loads nothing from elsewhere."""
    base = f"{str(request.base_url).rstrip('/')}{request.app.state.root_path}{PREFIX}"
    return HTMLResponse(page(request.app.state.openapi, base))


async def openapi_json(request: Request) -> Response:
    """Return the OpenAPI document."""
    return JSONResponse(request.app.state.openapi)


def page(schema: dict[str, Any], base: str) -> str:
    """Return the page of an OpenAPI document.

    Args:
        schema: The document.
        base: The address of the routes, for the examples.
    """
    sections = [
        _section(method, path, route, schema)
        for path, methods in schema["paths"].items()
        for method, route in methods.items()
    ]
    title = escape(schema["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        '<link rel="icon" href="data:,">'
        f"<title>{title}: HTTP interface</title><style>{_STYLE}</style><main><h1>{title}</h1>"
        f"<p>{escape(schema['info']['description'])} For programs: "
        f'<a href="openapi.json">openapi.json</a>.</p><pre>{_EXAMPLE.replace("BASE", escape(base))}</pre>'
        f"<p>Every path is there without <code>{PREFIX}</code> too. Every error is answered with "
        '<code>{"error": {"code", "message", "detail"}}</code>.</p>'
        f"{''.join(sections)}</main></html>"
    )


def _section(method: str, path: str, route: dict[str, Any], schema: dict[str, Any]) -> str:
    rows = [_row(each["name"], each["schema"], each.get("description", "")) for each in route["parameters"]]
    body = _fields(route.get("requestBody", {}), schema)
    rows += [_row(name, field, field.get("description", "")) for name, field in body.items()]
    parameters = f"<table><tr><th>name<th>type<th>meaning</tr>{''.join(rows)}</table>" if rows else ""
    names = ", ".join(f"<code>{escape(name)}</code>" for name in _fields(route["responses"]["200"], schema))
    answers = f"<p>Answers {names}.</p>" if names else ""
    return (
        f'<section><h2><code><span class="method">{method.upper()}</span> {PREFIX}{escape(path)}</code></h2>'
        f"<p>{escape(route.get('description', ''))}</p>{parameters}{answers}</section>"
    )


def _fields(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a body or an answer."""
    reference = described.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
    fields: dict[str, Any] = schema["components"]["schemas"].get(reference.rpartition("/")[2], {}).get("properties", {})
    return fields


def _row(name: str, schema: dict[str, Any], meaning: str) -> str:
    kinds = [schema, *schema.get("anyOf", [])]
    kind = " or ".join(str(k["type"]) for k in kinds if k.get("type", "null") != "null") or "string"
    default = schema.get("default")
    shown = f" (default {escape(str(default))})" if default not in (None, []) else ""
    return f"<tr><td><code>{escape(name)}</code><td>{escape(kind)}<td>{escape(meaning)}{shown}</tr>"


ROUTES = (Route("/docs", docs), Route("/openapi.json", openapi_json))
