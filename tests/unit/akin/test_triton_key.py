from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from akin.registry.versions import Version
from akin.stack import lifecycle, triton, triton_key
from akin.stack.processes import Child
from akin.stack_settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.read({"AKIN_DATA": str(tmp_path / "data")})


def test_a_key_is_made_once_for_this_user_alone(settings: Settings) -> None:
    assert triton_key.read(settings) == ""
    umask = os.umask(0)
    try:
        key = triton_key.make(settings)
    finally:
        os.umask(umask)
    assert len(key) == 64
    path = settings.data / "run" / "triton.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert triton_key.make(settings) == triton_key.read(settings) == key


@pytest.mark.parametrize("left", ["readable", "cut", "link", "bytes"])
def test_a_readable_or_invalid_key_is_replaced(settings: Settings, left: str) -> None:
    old = triton_key.make(settings)
    path = triton_key.key_file(settings)
    if left == "readable":
        path.chmod(0o640)
    elif left == "cut":
        path.write_text(old[:10])
    elif left == "bytes":
        path.write_bytes(b"\xff" * 64)
    else:
        path.rename(path.with_name("elsewhere"))
        path.symlink_to("elsewhere")
    key = triton_key.make(settings)
    assert key != old
    assert triton_key.read(settings) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert not path.is_symlink()


def test_starts_at_the_same_time_get_the_same_key(settings: Settings) -> None:
    code = (
        "from akin.stack import triton_key; from akin.stack_settings import Settings;"
        "print(triton_key.make(Settings.read()))"
    )
    environment = {**os.environ, "AKIN_DATA": str(settings.data)}
    found: list[str] = []

    def run() -> None:
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        found.append(done.stdout)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert set(found) == {f"{triton_key.read(settings)}\n"}


def test_the_key_is_removed_with_the_stack(settings: Settings) -> None:
    triton_key.make(settings)
    lifecycle.down(settings)
    assert not triton_key.key_file(settings).exists()


def test_a_key_among_the_arguments_of_a_process_is_overwritten() -> None:
    key = triton_key.new()
    # It prints `ready` only after Python has read its arguments.
    command = [sys.executable, "-c", "print('ready', flush=True); input()", *triton_key.options(key)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        arguments = Path(f"/proc/{process.pid}/cmdline")
        assert arguments.read_text().count(key) == 2
        assert triton_key.hide(process.pid, key)
        assert key not in arguments.read_text()
        assert arguments.read_text().count("x" * 64) == 2
        process.communicate("\n")


def test_hiding_the_key_of_an_ended_process_fails_quietly() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert not triton_key.hide(process.pid, "0" * 64)


def test_a_key_that_cannot_be_hidden_is_reported_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    triton.warn_of_visible_key.cache_clear()
    monkeypatch.setattr(triton, "server_command", lambda *_, **__: [])
    monkeypatch.setattr(triton, "server_environment", lambda *_: {})
    monkeypatch.setattr(triton, "start", lambda *_, **__: Child("Triton", os.getpid(), 1, ""))
    monkeypatch.setattr(triton, "is_live", lambda _: True)
    monkeypatch.setattr(triton, "load", lambda *_, **__: None)
    version = Version(1, True, {})
    for hidden in (True, False, False):
        monkeypatch.setattr(triton_key, "hide", lambda *_, hidden=hidden: hidden)
        triton.start_triton(settings, (1, 2, 3), version, settings.logs / "triton.log")
        if hidden:
            assert capsys.readouterr().err == ""
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1
    assert warning.startswith("warning: Triton's key could not be hidden")
    assert "SECURITY.md" in warning
