from __future__ import annotations

import socket
from pathlib import Path

import pytest

from akin.errors import BadSetting, StackError
from akin.stack.launching import service_environment
from akin.stack.lifecycle import check_ports
from akin.stack.processes import free_ports
from akin.stack_settings import PORTS, ROOT, Settings


def test_defaults_are_the_documented_ones() -> None:
    settings = Settings.read({})
    assert (settings.service_port, settings.service_metrics_port, settings.ui_port) == (8080, 8081, 7860)
    assert (settings.triton_http_port, settings.triton_grpc_port, settings.triton_metrics_port) == (8000, 8001, 8002)
    assert settings.data == ROOT / "data"
    assert settings.repository == ROOT / "model_repository"


def test_the_environment_moves_folders_and_ports(tmp_path: Path) -> None:
    settings = Settings.read(
        {"AKIN_DATA": str(tmp_path), "AKIN_SERVICE_PORT": "18080", "AKIN_MODEL_REPOSITORY": "models"}
    )
    assert settings.data == tmp_path
    assert settings.service_url == "http://127.0.0.1:18080"
    assert settings.repository.is_absolute()


@pytest.mark.parametrize("value", ["0", "65536", "-1", "http", "80 80", "٣"])
def test_an_invalid_port_is_refused_by_name(value: str) -> None:
    with pytest.raises(BadSetting, match="AKIN_UI_PORT"):
        Settings.read({"AKIN_UI_PORT": value})


def test_only_the_port_for_metrics_may_be_left_out() -> None:
    assert Settings.read({"AKIN_SERVICE_METRICS_PORT": "0"}).service_metrics_port == 0
    with pytest.raises(BadSetting, match="AKIN_SERVICE_METRICS_PORT is '-1': it must be a port from 0"):
        Settings.read({"AKIN_SERVICE_METRICS_PORT": "-1"})
    with pytest.raises(BadSetting, match=r"AKIN_SERVICE_PORT and AKIN_SERVICE_METRICS_PORT are both 8081"):
        Settings.read({"AKIN_SERVICE_PORT": "8081"})


def test_the_port_for_metrics_is_checked_before_a_start_and_passed_to_the_service() -> None:
    names = ("SERVICE", "SERVICE_METRICS", "UI", "TRITON_HTTP", "TRITON_GRPC", "TRITON_METRICS")
    ports = {f"AKIN_{name}_PORT": str(port) for name, port in zip(names, free_ports(6), strict=True)}
    check_ports(Settings.read(ports))
    check_ports(Settings.read({**ports, "AKIN_SERVICE_METRICS_PORT": "0"}))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        settings = Settings.read({**ports, "AKIN_SERVICE_METRICS_PORT": port})
        with pytest.raises(StackError, match=rf"port {port} \(AKIN_SERVICE_METRICS_PORT\) is taken"):
            check_ports(settings)
    assert service_environment(settings)["AKIN_SERVICE_METRICS_PORT"] == port


def test_two_services_on_one_port_are_refused_with_both_names() -> None:
    with pytest.raises(BadSetting, match=r"AKIN_SERVICE_PORT and AKIN_UI_PORT are both 7860"):
        Settings.read({"AKIN_SERVICE_PORT": "7860"})


@pytest.mark.parametrize("value", ["triton:8001", "tcp://triton:8001", "grpc://", "grpc://a b", "grpc://a/b"])
def test_an_invalid_address_of_triton_is_refused_by_name(value: str) -> None:
    with pytest.raises(BadSetting, match="AKIN_TRITON_URL"):
        Settings.read({"AKIN_TRITON_URL": value})


@pytest.mark.parametrize("value", ["yes please", "2", "-"])
def test_an_invalid_switch_is_refused_by_name(value: str) -> None:
    with pytest.raises(BadSetting, match="AKIN_TRITON_ALLOW_UNPATCHED"):
        Settings.read({"AKIN_TRITON_ALLOW_UNPATCHED": value})


def test_tritons_http_has_the_address_of_triton_by_default() -> None:
    assert Settings.read({}).triton_http_host == "127.0.0.1"
    assert Settings.read({"AKIN_TRITON_HOST": "::1"}).triton_http_host == "::1"
    told = Settings.read({"AKIN_TRITON_HOST": "0.0.0.0", "AKIN_TRITON_HTTP_HOST": "127.0.0.1"})
    assert (told.triton_host, told.triton_http_host) == ("0.0.0.0", "127.0.0.1")
    assert not told.triton_allow_unpatched


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf", "86401"])
def test_an_invalid_wait_is_refused_by_name(value: str) -> None:
    with pytest.raises(BadSetting, match="AKIN_WAIT_SECONDS"):
        Settings.read({"AKIN_WAIT_SECONDS": value})


def test_commands_do_not_wait_by_default() -> None:
    assert (Settings.read({}).wait_seconds, Settings.read({}).triton_url) == (0, "")
    told = Settings.read({"AKIN_WAIT_SECONDS": "1.5", "AKIN_TRITON_URL": "grpc://triton:8001"})
    assert (told.wait_seconds, told.triton_url) == (1.5, "grpc://triton:8001")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:8080"),
        ("127.0.0.2", "http://127.0.0.2:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("::1", "http://[::1]:8080"),
        ("localhost", "http://localhost:8080"),
    ],
)
def test_the_address_of_a_service_on_all_addresses_is_loopback(host: str, url: str) -> None:
    assert Settings.read({"AKIN_SERVICE_HOST": host}).service_url == url
    assert Settings.read({"AKIN_UI_HOST": host}).ui_url == url.replace("8080", "7860")


def test_another_process_reads_the_same_settings() -> None:
    named = {"AKIN_DATA": "/d", "AKIN_MODEL_REPOSITORY": "/m", "AKIN_TRITON_HOME": "/t", "AKIN_TRAINING_PYTHON": "/p"}
    hosts = {"AKIN_SERVICE_HOST": "::", "AKIN_UI_HOST": "0.0.0.0", "AKIN_TRITON_HOST": "10.0.0.1"}
    more = {"AKIN_TRITON_URL": "grpc://a:1", "AKIN_WAIT_SECONDS": "2.5", "AKIN_EVALUATION_SETS": "/sets/a,/sets/b"}
    ports = {name: str(20000 + number) for number, name in enumerate(PORTS)}
    settings = Settings.read({**named, **hosts, **more, **ports})
    assert Settings.read(settings.environment) == settings
    assert Settings.read(Settings.read({}).environment) == Settings.read({})
