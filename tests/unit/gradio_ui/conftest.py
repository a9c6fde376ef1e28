"""The deployed server of the page, with Gradio behind the gate and a stub of the service."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from akin.edge import page_headers

# In an interpreter of its own: Gradio leaves event loops open, over which a session with warnings as errors would trip;
# and what a page loads can only be tested in an interpreter that has loaded nothing else.
SERVE = """
import asyncio, json, re, sys
import httpx
from gradio_ui.client import SearchService
from gradio_ui.serve import create_server_app
from gradio_ui.settings import Settings

ANSWER = {"results": [{"id": "a", "title": "A title", "score": 0.5}], "k": 10, "snapshot": "one", "searched": 3}
CORPUS = {"papers": 3, "snapshot": "one", "categories": []}
SETTINGS = Settings(service_url="http://service.test")
VALUES = ["x", "hybrid", [], None, None, True, 10, "", False]
ASKED = {"data": VALUES, "event_data": None, "fn_index": 0, "trigger_id": 7}
release = None


async def service(request):
    if request.url.path == "/search" and b"wait" in request.content:
        await release.wait()
    return httpx.Response(200, json={"/corpus": CORPUS, "/search": ANSWER}.get(request.url.path, {}))


async def main():
    global release
    release = asyncio.Event()
    app = create_server_app(SETTINGS, SearchService(SETTINGS, httpx.MockTransport(service)))
    gradio = app.routes[-1].app
    blocks = gradio.get_blocks()
    said = {"show_error": blocks.show_error, "max_size": blocks._queue.max_size, "file_size": blocks.max_file_size}
    config = blocks.get_config_file()
    said |= {
        "ids": [component["props"].get("elem_id") for component in config["components"]],
        "public": [event["api_name"] for event in config["dependencies"] if event["api_visibility"] == "public"],
        "limit": blocks._queue.default_concurrency_limit,
        "analytics": blocks.analytics_enabled,
        "modules": list(sys.modules),
        "texts": [
            [component["props"].get("elem_id"), name, value]
            for component in config["components"]
            for name in ("label", "info", "placeholder", "value", "choices")
            if (value := component["props"].get(name)) and name in component["props"]
        ],
    }
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://localhost")
    async with app.router.lifespan_context(app), client:
        behind, without = [], []
        routes = [r for one in gradio.routes for r in getattr(getattr(one, "original_router", None), "routes", [one])]
        for route in routes:
            path = re.sub(r"\\{[^}]*\\}", "x", route.path)
            for method in sorted(getattr(route, "methods", None) or ["GET"]):
                request = client.request(method, path, headers={"origin": "https://evil.example"})
                try:
                    answer = await asyncio.wait_for(request, 2)
                except TimeoutError:
                    behind.append(f"{method} {route.path}")
                    continue
                not_there = answer.status_code == 404 if method == "HEAD" else "nothing at this address" in answer.text
                if not not_there and answer.status_code != 405:
                    behind.append(f"{method} {route.path}")
                without += [path for name in HEADERS if name.lower() not in answer.headers]
                without += [name for name in answer.headers if name.startswith("access-control-")]
        said |= {"behind": behind, "without": without, "routes": len(routes)}
        page = await client.get("/", params={"page": "nowhere", "deep_link": "../../x"})
        said["page"] = [page.status_code, len(page.text), page.num_bytes_downloaded]
        german = await client.get("/", params={"lang": "de"}, headers={"accept-language": "en"})
        english = await client.get("/", params={"lang": "../../x"}, headers={"accept-language": "xx;q=9,,"})
        said["languages"] = [german.text, english.text, german.headers["vary"]]
        named = await client.get("/", headers={"x-forwarded-host": "evil.example"})
        said["forwarded"] = "evil.example" in named.text
        said["host"] = (await client.get("/", headers={"host": "evil.example"})).status_code
        assets = re.findall(r'src="\\./(assets/[^"]+)"', page.text)
        said["assets"] = [(await client.get("/" + asset)).status_code for asset in assets]

        ask = lambda session, **of: client.post("/gradio_api/queue/join", json={**ASKED, "session_hash": session, **of})
        fetch = lambda session: client.get("/gradio_api/queue/data", params={"session_hash": session})
        await ask("reader")
        stream = (await fetch("reader")).text
        said["found"] = "A title" in stream and "close_stream" in stream
        said["sessions"] = blocks.state_holder.capacity
        said["kept"] = [list(blocks._queue.pending_event_ids_session), list(blocks._queue.pending_messages_per_session)]

        # Many more slow searches than may run and wait.
        slow = {**ASKED, "data": ["wait", *ASKED["data"][1:]]}
        statuses = [(await ask(f"slow{n}", **slow)).status_code for n in range(SETTINGS.ui_queue + 60)]
        said["queue"] = [statuses.count(200), statuses.count(503), statuses[0], statuses[-1]]
        refused = await ask("late", **slow)
        said["refused"] = [refused.status_code, refused.json()]
        queue = blocks._queue
        said["held"] = [len(queue.pending_event_ids_session), len(queue.pending_messages_per_session), len(queue)]
        release.set()
    print(json.dumps(said))


asyncio.run(main())
"""


@pytest.fixture(scope="session")
def said() -> dict[str, Any]:
    """Return what a server of the page reports on itself and on its answers."""
    code = f"HEADERS = {sorted(page_headers())!r}\n{SERVE}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts
