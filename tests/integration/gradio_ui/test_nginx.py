"""Test the page and the API behind nginx with TLS, below a path, with keys and limits: `deploy/proxy/nginx.conf`."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from akin.keys import KeyFile
from akin.stack.processes import free_ports
from tests.integration.proxy import NGINX, certificate, nginx_command
from tests.integration.service import start_service
from tests.servers import await_answer, started_page

ROOT = Path(__file__).parents[3]
CONFIGURATION = ROOT / "deploy" / "proxy" / "nginx.conf"


@pytest.fixture(scope="module")
def site(corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """Start the service, the page and nginx with the example; yield a client, a key, and nginx's log."""
    if NGINX is None:
        pytest.skip("there is no nginx on this machine: apt-get install nginx-light")
    folder = tmp_path_factory.mktemp("nginx")
    signing, signed = certificate(folder)
    service, page, https, http = free_ports(4)
    keys = KeyFile(folder / "keys.json")
    _, own = keys.create("page", ["search"], per_reader=True)
    _, text = keys.create("client", ["search"], rate=0.001)
    log = folder / "akin.log"
    given = CONFIGURATION.read_text()
    for old, new in (
        ("listen 443 ssl http2", f"listen 127.0.0.1:{https} ssl http2"),
        ("listen 80", f"listen 127.0.0.1:{http}"),
        ("papers.example.org$request_uri", f"localhost:{https}$request_uri"),
        ("/etc/ssl/papers.example.org.pem", str(signed)),
        ("/etc/ssl/papers.example.org.key", str(signing)),
        ("server_name papers.example.org", "server_name localhost"),
        ("/var/log/nginx/akin.log", str(log)),
        ("127.0.0.1:7860", f"127.0.0.1:{page}"),
        ("127.0.0.1:8080", f"127.0.0.1:{service}"),
    ):
        assert old in given, old
        given = given.replace(old, new)
    limits = {"AKIN_KEYS": str(keys.path), "AKIN_RATE_LIMIT": "0.001", "AKIN_RATE_BURST": "40"}
    trust = ssl.create_default_context(cafile=signed)
    with (
        start_service(corpus.data, service, AKIN_SERVICE_ROOT_PATH="/akin/api", **limits) as serving,
        started_page(page, f"http://127.0.0.1:{service}", AKIN_UI_ROOT_PATH="/akin", AKIN_API_KEY=own) as paging,
        subprocess.Popen(nginx_command(folder, given)) as proxy,
        httpx.Client(base_url=f"https://localhost:{https}", verify=trust, timeout=20, http2=False) as client,
    ):
        try:
            for path in ("/akin/api/health/ready", "/akin/"):
                await_answer(path, serving, paging, proxy, client=client)
            yield SimpleNamespace(
                client=client, key=text, log=log, plain=f"http://localhost:{http}", page=own, ui=page, service=service
            )
        finally:
            for process in (proxy, serving):
                process.terminate()


def test_the_example_of_nginx_is_valid(tmp_path: Path) -> None:
    if NGINX is None:
        pytest.skip("there is no nginx on this machine: apt-get install nginx-light")
    signing, signed = certificate(tmp_path)
    text = re.sub(r"/etc/ssl/\S+\.pem", str(signed), CONFIGURATION.read_text())
    text = re.sub(r"/etc/ssl/\S+\.key", str(signing), text).replace("/var/log/nginx/", f"{tmp_path}/")
    command = [*nginx_command(tmp_path, text), "-t", "-q"]
    tried = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert (tried.returncode, tried.stderr) == (0, "")


def test_the_example_of_caddy_publishes_both_with_tls(site: SimpleNamespace, tmp_path: Path) -> None:
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("there is no caddy on this machine: apt-get install caddy")
    signing, signed = certificate(tmp_path)
    [port] = free_ports(1)
    own = "{{\n admin off\n auto_https disable_redirects\n}}\nhttps://localhost:{} {{\n tls {} {}"
    given = CONFIGURATION.with_name("Caddyfile").read_text()
    for old, new in (
        ("papers.example.org {", own.format(port, signed, signing)),
        ("127.0.0.1:7860", f"127.0.0.1:{site.ui}"),
        ("127.0.0.1:8080", f"127.0.0.1:{site.service}"),
    ):
        assert old in given, old
        given = given.replace(old, new)
    (tmp_path / "Caddyfile").write_text(given)
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    command = [caddy, "run", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")]
    running = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    trust = ssl.create_default_context(cafile=signed)
    try:
        with httpx.Client(base_url=f"https://localhost:{port}", verify=trust, timeout=20) as client:
            await_answer("/akin/", running, client=client)
            assert client.get("/akin").headers["location"].endswith("/akin/")
            refused = client.get("/akin/api/v1/corpus")
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "key_required")
            assert refused.headers["strict-transport-security"] == "max-age=31536000"
            # Through the proxy nobody may name readers, not even with the key of the page.
            left = []
            for reader in ("203.0.113.7", "203.0.113.8"):
                headers = {"X-API-Key": site.page, "Akin-Reader": reader, "X-Forwarded-For": reader}
                answer = client.get("/akin/api/v1/corpus", headers=headers)
                assert answer.status_code == 200
                left.append(int(answer.headers["ratelimit-remaining"]))
            assert left[1] == left[0] - 1
    finally:
        running.terminate()
        running.communicate(timeout=15)


def test_plain_http_leads_to_tls_and_a_missing_slash_to_the_page(site: SimpleNamespace) -> None:
    moved = httpx.get(f"{site.plain}/akin/api/corpus?a=b", timeout=10)
    assert moved.status_code == 308
    assert moved.headers["location"] == f"{site.client.base_url}/akin/api/corpus?a=b".replace("//akin", "/akin")
    assert site.client.get("/akin").headers["location"].endswith("/akin/")
    assert site.client.get("/").status_code == 404


def test_the_api_asks_for_keys_below_the_path(site: SimpleNamespace) -> None:
    refused = site.client.get("/akin/api/v1/corpus")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "key_required")
    assert refused.headers["www-authenticate"] == 'Bearer realm="akin"'
    assert refused.headers["strict-transport-security"] == "max-age=31536000"
    for headers in ({"Authorization": f"Bearer {site.key}"}, {"X-API-Key": site.key}):
        found = site.client.get("/akin/api/v1/search?q=gugipivu&k=3", headers=headers)
        assert found.status_code == 200, found.text
        assert len(found.json()["results"]) == 3
    left = int(found.headers["ratelimit-remaining"])
    # A client cannot choose another account, by any header that it sends.
    for name in ("X-Forwarded-For", "Akin-Reader", "Forwarded"):
        answer = site.client.get("/akin/api/corpus", headers={"X-API-Key": site.key, name: "203.0.113.7"})
        left -= 1
        assert int(answer.headers["ratelimit-remaining"]) == left


def test_the_page_searches_with_its_own_key_and_shows_it_to_nobody(site: SimpleNamespace) -> None:
    paper = site.client.get("/akin/api/search?q=gugipivu&k=1", headers={"X-API-Key": site.key}).json()["results"][0]
    shown = site.client.get(f"/akin/paper/{paper['id']}")
    assert shown.status_code == 200
    assert paper["title"] in shown.text
    for page in (shown, site.client.get("/akin/")):
        assert site.page not in page.text + str(page.headers)


def test_each_reader_of_the_page_has_a_limit_and_names_nobody_else(site: SimpleNamespace) -> None:
    def visit(reader: str, times: int, **headers: str) -> list[int]:
        transport = httpx.HTTPTransport(local_address=reader)
        with httpx.Client(base_url=f"http://127.0.0.1:{site.ui}", transport=transport, timeout=20) as client:
            return [client.get("/paper/2001.10003", headers=headers).status_code for _ in range(times)]

    assert 200 in visit("127.0.0.3", 1)
    assert visit("127.0.0.3", 50)[-1] != 200  # its 40 requests are used up
    # Another name in the headers is no other reader, and a reader who has sent nothing is answered.
    named = {"Akin-Reader": "203.0.113.7", "X-Forwarded-For": "203.0.113.8"}
    assert visit("127.0.0.3", 2, **named)[-1] != 200
    assert visit("127.0.0.4", 1) == [200]


def test_the_log_of_the_example_has_no_queries_and_no_keys(site: SimpleNamespace) -> None:
    site.client.get("/akin/api/search?q=verysecretwords", headers={"X-API-Key": site.key})
    time.sleep(0.2)
    log = site.log.read_text()
    assert "GET /akin/api/search" in log
    assert "verysecretwords" not in log
    assert site.key not in log
