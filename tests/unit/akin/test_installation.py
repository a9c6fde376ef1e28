"""Test what an installed wheel does differently from a clone: folders, the server's setup, the packaged encoder."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from akin import installation, stack_settings
from akin.errors import BadSetting, EncoderError, NotSetUp, StackError
from akin.registry import packaged
from akin.registry.versions import promoted_number, versions
from akin.stack import lifecycle, server_setup, tritonserver
from akin.stack_settings import Settings
from akin.storage.locks import hold_lock


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Make this code believe that it was installed from a wheel, by a user with this home folder."""
    monkeypatch.setattr(stack_settings, "IS_CLONE", False)
    monkeypatch.setattr(installation, "IS_CLONE", False)
    monkeypatch.setattr(server_setup, "IS_CLONE", False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".local/share/akin"


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Replace the Python that runs pip by a script, and return the script's file: a test writes its last lines."""
    script = tmp_path / "pip.sh"
    script.write_text("exit 0")
    monkeypatch.setattr(server_setup.sys, "executable", str(tmp_path / "python"))
    venv = 'if [ "$3" = venv ]; then mkdir -p "$last/bin"; touch "$last/bin/python"; exit 0; fi'
    (tmp_path / "python").write_text(f"#!/bin/sh\nfor last; do :; done\n{venv}\n. {script}\n")
    (tmp_path / "python").chmod(0o755)
    return script


PLACE = 'while [ "$#" -gt 0 ]; do if [ "$1" = --target ]; then mkdir -p "$2"; echo new > "$2/server"; fi; shift; done\n'


def test_an_installed_wheel_keeps_its_files_in_the_home_folder(installed: Path) -> None:
    settings = Settings.read({})
    assert settings.data == installed
    assert settings.repository == installed / "model_repository"
    assert settings.triton_home == installed / "triton"


def test_folders_follow_the_data_folder_unless_they_are_given(installed: Path, tmp_path: Path) -> None:
    settings = Settings.read({"AKIN_DATA": str(tmp_path / "d"), "AKIN_TRITON_HOME": str(tmp_path / "t")})
    assert settings.repository == tmp_path / "d/model_repository"
    assert settings.triton_home == tmp_path / "t"
    # Other processes of the stack read the same folders from the environment.
    assert Settings.read(settings.environment).repository == settings.repository


@pytest.mark.parametrize(("given", "used"), [("/srv/share", "/srv/share/akin"), ("relative", None), ("", None)])
def test_the_folder_of_a_desktop_is_used_if_it_is_absolute(
    installed: Path, monkeypatch: pytest.MonkeyPatch, given: str, used: str | None
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", given)
    assert Settings.read({}).data == (Path(used) if used else installed)


def test_without_a_home_folder_the_setting_is_named(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    with pytest.raises(BadSetting, match="set AKIN_DATA"):
        Settings.read({})
    assert Settings.read({"AKIN_DATA": "/srv/akin"}).triton_home == Path("/srv/akin/triton")


def test_the_server_is_made_once_and_again_for_other_locks(
    installed: Path, pip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip.write_text(PLACE)
    settings, told = Settings.read({}), list[str]()
    assert server_setup.set_up_server(settings, told.append)
    assert (settings.triton_home / "server/server").read_text() == "new\n"
    assert told[0].startswith("setting up the Triton server")
    assert not server_setup.set_up_server(settings, told.append)
    monkeypatch.setattr(server_setup, "fingerprint", lambda: "of other locks")
    assert server_setup.set_up_server(settings, told.append)
    assert sorted(path.name for path in installed.iterdir()) == [".triton.lock", "triton"]


def test_a_setup_says_that_it_waits_for_another_one_and_goes_on(installed: Path, pip: Path) -> None:
    pip.write_text(PLACE)
    settings, told, waits = Settings.read({}), list[str](), threading.Event()

    def say(line: str) -> None:
        told.append(line)
        waits.set()

    with hold_lock(installed / ".triton.lock", 0, NotSetUp("held")):
        thread = threading.Thread(target=server_setup.set_up_server, args=(settings, say))
        thread.start()
        assert waits.wait(10)
        assert not settings.triton_home.exists()
    thread.join(20)
    home = settings.triton_home
    assert told[0] == (
        f"waiting for process {os.getpid()}, which sets up the Triton server in {home} (at most 30 minutes; "
        "Ctrl-C ends the wait)"
    )
    assert told[1].startswith("setting up")
    assert (home / "server/server").is_file()


def test_the_server_is_made_again_if_its_python_was_removed(installed: Path, pip: Path) -> None:
    pip.write_text(PLACE)
    settings = Settings.read({})
    server_setup.set_up_server(settings, lambda _: None)
    (settings.triton_home / "python/bin/python").unlink()
    assert not server_setup.is_ready(settings)


def test_a_python_without_numpy_1_uses_another_one(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_setup, "NEWEST_PYTHON", (0, 0))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotSetUp, match=r"NumPy 1, which has no wheel for Python .*uv python install"):
        server_setup.set_up_server(Settings.read({}), lambda _: None)
    for name, script in {
        "python3.12": "echo no such version >&2; exit 127",
        "python3.11": "echo 3.11 /opt/python3.11",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    assert server_setup.find_python() == "/opt/python3.11"


@pytest.mark.parametrize("line", ["version = 3.12.1", "version_info = 3.12.1.final.0"])
def test_the_stub_and_its_library_are_those_of_the_servers_python(tmp_path: Path, line: str) -> None:
    (tmp_path / "t/python/bin").mkdir(parents=True)
    (tmp_path / "t/python/pyvenv.cfg").write_text(f"home = {tmp_path}/links\n{line}\n")
    for folder in ("links", "other/bin", "other/lib"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "other/bin/python3.12").write_text("")
    (tmp_path / "links/python3.12").symlink_to(tmp_path / "other/bin/python3.12")
    (tmp_path / "t/python/bin/python").symlink_to(tmp_path / "links/python3.12")
    (tmp_path / "other/lib/libpython3.12.so.1.0").write_text("")
    settings = Settings.read({"AKIN_TRITON_HOME": str(tmp_path / "t"), "AKIN_DATA": str(tmp_path / "d")})
    assert tritonserver.server_python(settings) == ("3.12", tmp_path / "other")
    assert str(tmp_path / "other/lib") in tritonserver.server_environment(settings, {})["LD_LIBRARY_PATH"].split(":")
    server = tritonserver.wheel_server(settings)
    for name in ("bin/tritonserver", "python_backend_stubs/3.12/triton_python_backend_stub"):
        (server / name).parent.mkdir(parents=True, exist_ok=True)
        (server / name).write_text("")
    stub = tritonserver.backend_directory(settings) / "python/triton_python_backend_stub"
    assert stub.readlink() == server / "python_backend_stubs/3.12/triton_python_backend_stub"


def test_a_setup_that_was_killed_leaves_nothing_that_counts(installed: Path, pip: Path) -> None:
    settings = Settings.read({})
    left, other = installed / ".triton.setup-killed", installed / ".triton-of-another-program"
    other.mkdir(parents=True)
    (left / "server").mkdir(parents=True)
    assert not server_setup.is_ready(settings)
    pip.write_text(PLACE)
    assert server_setup.set_up_server(settings, lambda _: None)
    assert not left.exists()
    assert other.exists()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.'; exit 1", "digest"),
        ("echo 'ERROR: Could not find a version that satisfies x'; exit 1", "lacks a wheel of .*Could not find"),
        ("exit 1", "pip says: nothing"),
    ],
)
def test_what_pip_refuses_is_told_and_nothing_is_left(
    installed: Path, pip: Path, tmp_path: Path, script: str, message: str
) -> None:
    pip.write_text(script)
    with pytest.raises(NotSetUp, match=message):
        server_setup.set_up_server(Settings.read({}), lambda _: None, tmp_path)
    assert [path.name for path in installed.iterdir()] == [".triton.lock"]


def test_a_folder_of_other_files_is_not_replaced(installed: Path, pip: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.tex").write_text("…")
    settings = Settings.read({"AKIN_TRITON_HOME": str(precious)})
    with pytest.raises(NotSetUp, match="holds other files than a Triton server"):
        server_setup.set_up_server(settings, lambda _: None)
    assert (precious / "thesis.tex").exists()


def test_a_folder_that_cannot_be_written_is_named(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings.read({"AKIN_DATA": str(tmp_path / "file")})
    with pytest.raises(NotSetUp, match="Set AKIN_DATA to another folder"):
        server_setup.set_up_server(settings, lambda _: None)


@pytest.mark.parametrize(
    ("system", "machine", "library"),
    [("darwin", "arm64", ("", "")), ("linux", "aarch64", ("glibc", "2.40")), ("linux", "x86_64", ("", "")),
     ("linux", "x86_64", ("glibc", "2.31"))],
)  # fmt: skip
def test_where_there_is_no_server_the_containers_are_named(
    installed: Path, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, library: tuple[str, str]
) -> None:
    monkeypatch.setattr(server_setup.sys, "platform", system)
    monkeypatch.setattr(server_setup.platform, "machine", lambda: machine)
    monkeypatch.setattr(server_setup.platform, "libc_ver", lambda: library)
    with pytest.raises(NotSetUp, match=r"there is no Triton server for .*docker compose up"):
        server_setup.set_up_server(Settings.read({}), lambda _: None)
    assert not installed.exists()


@pytest.mark.parametrize("name", ["my papers", "Bücher", "a'b", "$HOME", "a;b"])
def test_a_folder_that_the_server_cannot_start_in_is_refused_before_a_download(
    installed: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(BadSetting, match="set AKIN_DATA"):
        server_setup.set_up_server(Settings.read({"AKIN_DATA": str(tmp_path / name)}), lambda _: None)
    assert not (tmp_path / name).exists()


def test_progress_is_told_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0, 1, 4, 4, 6, 9, 9])
    monkeypatch.setattr(server_setup, "time", SimpleNamespace(monotonic=lambda: next(times)))
    told: list[str] = []
    output = ["Collecting a==1\n", "Progress 1048576 of 3145728\n", "Progress 2097152 of 3145728\n", "Installing x\n"]
    assert list(server_setup._progress(output, told.append)) == ["Collecting a==1", "Installing x"]
    assert told == ["    a: 1 of 3 MB", "    unpacking"]


def test_the_wheels_library_of_the_newest_python_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tritonserver.sysconfig, "get_config_var", lambda _: str(tmp_path))
    monkeypatch.setattr(tritonserver.sys, "base_prefix", str(tmp_path))
    monkeypatch.setattr(Path, "exists", lambda path: str(path).startswith(str(tmp_path)) and os.path.exists(path))
    settings = Settings.read({"AKIN_TRITON_HOME": str(tmp_path)})
    with pytest.raises(NotSetUp, match="--enable-shared"):
        tritonserver.server_environment(settings, {})
    libraries = tmp_path / "server/nvidia_pytriton.libs"
    libraries.mkdir(parents=True)
    (libraries / f"libpython3-12ab.{sys.version_info.minor}.so.1.0").write_text("")
    assert tritonserver.server_environment(settings, {})["LD_LIBRARY_PATH"] == str(libraries)


@pytest.mark.parametrize("before", [None, b"half a", b"papers"])
def test_the_sample_of_a_folder_replaces_one_that_was_written_by_half(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bytes | None
) -> None:
    monkeypatch.setattr(server_setup, "MEMBER_SHA256", hashlib.sha256(b"papers").hexdigest())
    wheels, settings = tmp_path / "wheels", Settings.read({})
    wheels.mkdir()
    target = installed / "corpora" / server_setup.FILE_NAME
    server_setup.take_sample(settings, wheels)
    assert not target.exists()
    if before is not None:
        target.parent.mkdir(parents=True)
        target.write_bytes(before)
    (wheels / server_setup.FILE_NAME).write_bytes(b"papers")
    server_setup.take_sample(settings, wheels)
    assert target.read_bytes() == b"papers"
    (wheels / server_setup.FILE_NAME).write_bytes(b"other")
    with pytest.raises(NotSetUp, match="is not the sample"):
        server_setup.take_sample(settings, wheels)
    assert target.read_bytes() == b"papers"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package with an encoder of two bytes, and return its version folder."""
    folder = tmp_path / "site/akin_encoder/text_encoder/1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"\x08\x01")
    digest = hashlib.sha256(b"\x08\x01").hexdigest()
    manifest = {"version": 7, "digest": "d" * 64, "files": {"model.onnx": {"sha256": digest, "bytes": 2}}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder.parent / "config.pbtxt").write_text('backend: "python"')
    (tmp_path / "site/akin_encoder/__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return folder


def test_who_publishes_an_encoder_or_starts_the_stack_is_named_while_it_is_waited_for(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.read({"AKIN_DATA": str(tmp_path / "data")})
    repository = tmp_path / "models"
    said: list[str] = []
    monkeypatch.setattr(packaged, "_SECONDS_TO_WAIT", 0.1)
    monkeypatch.setattr(lifecycle, "_SECONDS_TO_WAIT", 0.1)
    held = hold_lock(repository / "text_encoder" / ".packaged.lock", 1, AssertionError())
    with held, pytest.raises(EncoderError, match="another command is publishing"):
        packaged.publish_packaged(repository, said.append)
    with lifecycle.command_lock(settings), pytest.raises(StackError, match="is running for"):
        lifecycle.down(settings, said.append)
    publishing, stopping = said
    assert publishing.startswith(f"waiting for process {os.getpid()}, which publishes an encoder in {repository} (")
    assert stopping.startswith(f"waiting for process {os.getpid()}, which starts or stops the stack of {settings.data}")
    assert "Ctrl-C ends the wait" in stopping


def test_the_packaged_encoder_becomes_the_first_version(package: Path, tmp_path: Path) -> None:
    repository = tmp_path / "models"
    assert packaged.publish_packaged(repository) == 1
    (version,) = versions(repository)
    assert (version.number, version.promoted, version.digest) == (1, True, "d" * 64)
    assert version.manifest["version"] == 1
    assert (repository / "text_encoder/config.pbtxt").read_text() == 'backend: "python"'
    assert packaged.publish_packaged(repository) is None
    assert [path.name for path in (repository / "text_encoder").glob(".packaged-*")] == []


def test_a_newer_package_does_not_replace_the_encoder_that_serves(package: Path, tmp_path: Path) -> None:
    repository = tmp_path / "models"
    packaged.publish_packaged(repository)
    manifest = json.loads((package / "manifest.json").read_text())
    (package / "manifest.json").write_text(json.dumps({**manifest, "digest": "e" * 64}))
    assert packaged.publish_packaged(repository) == 2
    assert promoted_number(repository) == 1


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json"])
def test_a_damaged_package_is_not_published(package: Path, tmp_path: Path, name: str) -> None:
    (package / name).write_bytes(b"{}")
    with pytest.raises(EncoderError, match="install the package akin-encoder again"):
        packaged.publish_packaged(tmp_path / "models")
    assert not (tmp_path / "models/text_encoder/1").exists()


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "manifest.json", "..", ""])
def test_a_package_names_files_of_its_own_folder_only(package: Path, tmp_path: Path, name: str) -> None:
    manifest = json.loads((package / "manifest.json").read_text())
    (package.parent / "outside").write_bytes(b"\x08\x01")
    manifest["files"] = {name: manifest["files"]["model.onnx"]}
    (package / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(EncoderError, match="no name of a file in this folder"):
        packaged.publish_packaged(tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_no_package_publishes_nothing(tmp_path: Path) -> None:
    assert packaged.packaged_folder() is None
    assert packaged.publish_packaged(tmp_path) is None
