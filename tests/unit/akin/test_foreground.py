from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from akin.errors import AkinError, BadSetting, EncoderError, StackError
from akin.registry.versions import Version, promoted_version
from akin.stack.foreground import check_port, policy, prepare, single_version_repository
from akin.stack.processes import free_ports
from akin.stack_settings import ROOT, Settings, encoder_settings

CONFIG = (ROOT / "model_repository/text_encoder/config.pbtxt").read_text()


def settings_for(folder: Path, **more: str) -> Settings:
    names = ("AKIN_TRITON_HTTP_PORT", "AKIN_TRITON_GRPC_PORT", "AKIN_TRITON_METRICS_PORT")
    ports = dict(zip(names, map(str, free_ports(3)), strict=True))
    environ = {"AKIN_DATA": str(folder / "data"), "AKIN_MODEL_REPOSITORY": str(folder / "models"), **ports, **more}
    return Settings.read(environ)


def version_in(repository: Path, number: int, *, promoted: bool = True) -> None:
    folder = repository / "text_encoder" / str(number)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"digest": f"{number:064}"}))
    (repository / "text_encoder" / "config.pbtxt").write_text(CONFIG)
    if promoted:
        (repository / "text_encoder" / "PROMOTED").write_text(f"{number}\n")


def test_the_shown_repository_serves_the_promoted_version_and_no_other(tmp_path: Path) -> None:
    models = tmp_path / "models"
    version_in(models, 2)
    version_in(models, 3, promoted=False)
    for _ in range(2):  # a second start finds what the first one left
        shown = single_version_repository(models, promoted_version(models), tmp_path / "run" / "shown")
    assert sorted(entry.name for entry in (shown / "text_encoder").iterdir()) == ["2", "config.pbtxt"]
    assert (shown / "text_encoder/2/manifest.json").read_text() == (models / "text_encoder/2/manifest.json").read_text()
    config = text_format.Parse((shown / "text_encoder/config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    assert list(config.version_policy.specific.versions) == [2]
    config.ClearField("version_policy")
    assert config == text_format.Parse(CONFIG, model_config_pb2.ModelConfig())


def test_a_promoted_reranker_is_served_too_and_a_broken_one_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = tmp_path / "models"
    version_in(models, 2)
    (models / "reranker" / "5").mkdir(parents=True)
    (models / "reranker" / "config.pbtxt").write_text('name: "reranker"')
    (models / "reranker" / "PROMOTED").write_text("5\n")
    shown = single_version_repository(models, promoted_version(models), tmp_path / "shown")
    assert [entry.name for entry in shown.iterdir()] == ["text_encoder"]
    assert "searches are not reranked" in capsys.readouterr().err
    (models / "reranker" / "5" / "manifest.json").write_text('{"digest": "0"}')
    shown = single_version_repository(models, promoted_version(models), tmp_path / "shown")
    assert sorted(entry.name for entry in (shown / "reranker").iterdir()) == ["5", "config.pbtxt"]
    assert "versions: [ 5 ]" in (shown / "reranker/config.pbtxt").read_text()
    (models / "reranker" / "config.pbtxt").unlink()
    shown = single_version_repository(models, promoted_version(models), tmp_path / "shown")
    assert [entry.name for entry in shown.iterdir()] == ["text_encoder"]
    assert "config.pbtxt is missing: export a reranker again" in capsys.readouterr().err


def test_an_inner_model_of_the_same_version_is_added_or_reported_as_missing(tmp_path: Path) -> None:
    models = tmp_path / "models"
    version_in(models, 1)
    (models / "encoder" / "1").mkdir(parents=True)
    with pytest.raises(EncoderError, match=r"AKIN_ENCODER_INNER is 'encoder'.* no version 1 .*akin encoder gpu 1"):
        single_version_repository(models, promoted_version(models), tmp_path / "shown", "encoder")
    (models / "encoder" / "config.pbtxt").write_text('name: "encoder"')
    (models / "encoder" / "2").mkdir()
    shown = single_version_repository(models, promoted_version(models), tmp_path / "shown", "encoder")
    assert sorted(entry.name for entry in (shown / "encoder").iterdir()) == ["1", "config.pbtxt"]
    assert (shown / "encoder" / "1").resolve() == models / "encoder" / "1"
    config = text_format.Parse((shown / "encoder/config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    assert list(config.version_policy.specific.versions) == [1]


def test_an_inner_model_is_waited_for_and_loaded_from_an_installation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Use an installation as in NVIDIA's image, whose server has its own Python."""
    models, home = tmp_path / "models", tmp_path / "tritonserver"
    version_in(models, 1)
    (home / "bin").mkdir(parents=True)
    (home / "bin/tritonserver").write_text("")
    settings = settings_for(tmp_path, AKIN_TRITON_HOME=str(home), AKIN_WAIT_SECONDS="20")
    environ = {"AKIN_ENCODER_INNER": "encoder", "LD_LIBRARY_PATH": "/usr/local/cuda/compat", "PATH": "/usr/bin"}

    def made_later() -> None:
        (models / "encoder" / "1").mkdir(parents=True)
        (models / "encoder" / "config.pbtxt").write_text('name: "encoder"')

    with_time = threading.Timer(0.2, made_later)
    with_time.start()
    command, environment = prepare(settings, environ)
    with_time.join()
    assert "waiting for the model encoder (at most 20 s)" in capsys.readouterr().err
    assert command[0] == str(home / "bin/tritonserver")
    assert f"--backend-directory={home / 'backends'}" in command
    shown = tmp_path / "data/run/triton-repository"
    assert {f"--model-repository={shown}", "--model-control-mode=none"} <= set(command)
    assert {entry.name for entry in shown.iterdir()} == {"encoder", "text_encoder"}
    assert {name: environment[name] for name in environ} == environ


@pytest.mark.parametrize(
    ("host", "more"),
    [
        ("0.0.0.0", {}),
        ("::", {}),
        ("192.0.2.1", {"AKIN_TRITON_ALLOW_UNPATCHED": "0"}),
        ("triton", {"AKIN_TRITON_ALLOW_UNPATCHED": "false"}),
    ],
)
@pytest.mark.parametrize("name", ["AKIN_TRITON_HOST", "AKIN_TRITON_HTTP_HOST"])
def test_http_that_other_machines_can_reach_is_refused(
    tmp_path: Path, name: str, host: str, more: dict[str, str]
) -> None:
    version_in(tmp_path / "models", 1)
    with pytest.raises(BadSetting, match=r"CVE-2025-23310.*AKIN_TRITON_HTTP_HOST.*ALLOW_UNPATCHED") as caught:
        prepare(settings_for(tmp_path, **{name: host}, **more), {})
    assert f"would listen on {host}:" in str(caught.value)
    assert "\n" not in str(caught.value)
    # The wheel does not set this variable.
    with pytest.raises(BadSetting):
        prepare(settings_for(tmp_path, **{name: host}, **more), {"TRITON_SERVER_VERSION": "2.75.0"})


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    home = tmp_path / "tritonserver"
    (home / "bin").mkdir(parents=True)
    (home / "bin/tritonserver").write_text("")
    version_in(tmp_path / "models", 1)
    return home


@pytest.mark.parametrize(
    ("version", "refused"), [("2.60.0", True), ("2.70.1", True), ("2.71.0", False), ("3.0", False)]
)
def test_http_of_a_patched_installation_may_be_reachable(
    tmp_path: Path, installation: Path, version: str, refused: bool
) -> None:
    settings = settings_for(tmp_path, AKIN_TRITON_HOME=str(installation), AKIN_TRITON_HOST="0.0.0.0")
    environ = {"TRITON_SERVER_VERSION": version}
    if refused:
        with pytest.raises(BadSetting, match="AKIN_TRITON_ALLOW_UNPATCHED"):
            prepare(settings, environ)
    else:
        assert {"--http-address=0.0.0.0", "--grpc-address=0.0.0.0"} <= set(prepare(settings, environ)[0])


def test_grpc_may_listen_wider_than_http(tmp_path: Path, installation: Path) -> None:
    more = {"AKIN_TRITON_HOST": "0.0.0.0", "AKIN_TRITON_HTTP_HOST": "127.0.0.1"}
    command, _ = prepare(settings_for(tmp_path, AKIN_TRITON_HOME=str(installation), **more), {})
    assert {"--http-address=127.0.0.1", "--grpc-address=0.0.0.0", "--metrics-address=0.0.0.0"} <= set(command)


def test_a_reranker_that_cannot_be_loaded_does_not_end_the_encoder(tmp_path: Path, installation: Path) -> None:
    def option() -> str:
        command, _ = prepare(settings_for(tmp_path, AKIN_TRITON_HOME=str(installation)), {})
        (found,) = (each for each in command if each.startswith("--exit-on-error"))
        return found

    assert option() == "--exit-on-error=true"
    reranker = tmp_path / "models/reranker"
    (reranker / "1").mkdir(parents=True)
    (reranker / "1/manifest.json").write_text('{"digest": "0"}')
    (reranker / "config.pbtxt").write_text('name: "reranker"')
    (reranker / "PROMOTED").write_text("1\n")
    assert option() == "--exit-on-error=false"


def test_http_may_be_reachable_behind_a_proxy(tmp_path: Path, installation: Path) -> None:
    more = {"AKIN_TRITON_HOST": "0.0.0.0", "AKIN_TRITON_ALLOW_UNPATCHED": "1"}
    command, _ = prepare(settings_for(tmp_path, AKIN_TRITON_HOME=str(installation), **more), {})
    assert {"--http-address=0.0.0.0", "--grpc-address=0.0.0.0"} <= set(command)


def test_in_the_foreground_no_model_can_be_loaded_and_the_key_is_not_stored(tmp_path: Path, installation: Path) -> None:
    commands = [prepare(settings_for(tmp_path, AKIN_TRITON_HOME=str(installation)), {})[0] for _ in range(2)]
    keys = set()
    for command in commands:
        assert "--model-control-mode=none" in command
        assert not [option for option in command if option.startswith("--load-model")]
        rules = [option.split("=", 1)[1] for option in command if "-restricted-" in option]
        assert len(rules) == 2
        apis, rule = rules[0].split(":")
        assert set(apis.split(",")) == {
            "shared-memory", "model-config", "model-repository", "statistics", "trace", "logging",
        }  # fmt: skip
        keys.add(rule)
    assert len(keys) == 2
    assert not (tmp_path / "data/run/triton.key").exists()


def test_the_configuration_has_no_version_policy_of_its_own() -> None:
    assert "version_policy" not in CONFIG
    assert text_format.Parse(policy(7), model_config_pb2.ModelConfig()).version_policy.specific.versions == [7]


def test_a_repository_without_a_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"config\.pbtxt cannot be read \(No such file"):
        single_version_repository(tmp_path, Version(1, True, {"digest": "0"}), tmp_path / "shown")


@pytest.mark.parametrize(
    ("promoted", "words"), [(None, "no encoder in .*akin encoder export"), ("4", "encoder version 4 is not in")]
)
def test_a_missing_model_is_reported_in_one_line(tmp_path: Path, promoted: str | None, words: str) -> None:
    if promoted:
        version_in(tmp_path / "models", 1)
        (tmp_path / "models/text_encoder/PROMOTED").write_text(promoted)
    with pytest.raises(EncoderError, match=words) as caught:
        prepare(settings_for(tmp_path), {})
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AKIN_ENCODER_RUNTIME", "gpu"),
        ("AKIN_ENCODER_THREADS", "-1"),
        ("AKIN_ENCODER_THREADS", "two"),
        ("AKIN_ENCODER_THREADS", "²"),
    ],
)
def test_a_wrong_setting_of_the_encoder_is_named(name: str, value: str) -> None:
    with pytest.raises(BadSetting, match=name):
        encoder_settings({name: value})


def test_settings_that_are_empty_are_not_set() -> None:
    assert encoder_settings({"AKIN_ENCODER_RUNTIME": "", "AKIN_ENCODER_THREADS": ""}) == encoder_settings({})
    named = encoder_settings({"AKIN_ENCODER_RUNTIME": "onnxruntime", "AKIN_ENCODER_THREADS": "0"})
    assert named.encoder_runtime == "onnxruntime"


def test_a_taken_port_is_reported_with_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            StackError, match=rf"127.0.0.1:{port} \(Address already in use\): set AKIN_TRITON_GRPC_PORT"
        ):
            prepare(settings_for(tmp_path, AKIN_TRITON_GRPC_PORT=str(port)), {})


def test_an_address_of_another_machine_is_reported() -> None:
    with pytest.raises(StackError, match=r"cannot listen on 192\.0\.2\.1:"):
        check_port("192.0.2.1", free_ports(1)[0], "AKIN_TRITON_HTTP_PORT")


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    version_in(tmp_path / "models", 1)
    (tmp_path / "data").write_text("a file where a folder is needed")
    with pytest.raises(AkinError, match="AKIN_DATA"):
        prepare(settings_for(tmp_path), {})
