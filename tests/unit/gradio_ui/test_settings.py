"""Settings from the environment, and the errors of invalid variables."""

import pytest

from gradio_ui.settings import Settings, SettingsError


def test_defaults() -> None:
    settings = Settings.read({"AKIN_UI_PORT": ""})
    assert (settings.service_url, settings.ui_host, settings.ui_port) == ("http://127.0.0.1:8080", "127.0.0.1", 7860)


def test_values() -> None:
    settings = Settings.read(
        {"AKIN_SERVICE_URL": "https://papers.example:8443/akin/", "AKIN_UI_HOST": "::1", "AKIN_UI_PORT": "0"}
    )
    given = {"service_url": "https://papers.example:8443/akin", "ui_host": "::1", "ui_port": 0}
    assert settings == Settings.read({}).model_copy(update=given)


@pytest.mark.parametrize("port", ["-1", "65536", "http", "７８６０", "1" * 5000, "80.0"])
def test_an_invalid_port(port: str) -> None:
    with pytest.raises(SettingsError, match="AKIN_UI_PORT"):
        Settings.read({"AKIN_UI_PORT": port})


@pytest.mark.parametrize(
    "path",
    [
        "/assets",
        "/katex/fonts",
        "/static",
        "/gradio_api",
        "/theme.css",
        "/manifest.json",
        "/favicon.ico",
        "/robots.txt",
    ],
)
def test_no_address_of_the_page_can_be_its_root_path(path: str) -> None:
    with pytest.raises(SettingsError, match=f"AKIN_UI_ROOT_PATH is '{path}': this is an address of the server itself"):
        Settings.read({"AKIN_UI_ROOT_PATH": path})


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://x", "http://", "http://x:port", "http://[::1"])
def test_an_invalid_service_address(url: str) -> None:
    with pytest.raises(SettingsError, match="AKIN_SERVICE_URL"):
        Settings.read({"AKIN_SERVICE_URL": url})


def test_hosts() -> None:
    assert Settings.read({}).allowed_hosts == ""
    assert Settings.read({"AKIN_ALLOWED_HOSTS": "papers.example, *.example.org,"}).allowed_hosts
    with pytest.raises(SettingsError, match="AKIN_ALLOWED_HOSTS is 'http://x': 'http://x' is not a host"):
        Settings.read({"AKIN_ALLOWED_HOSTS": "http://x"})
