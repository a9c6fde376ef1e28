"""Test that every setting is defined once, refused by name, and the same in all files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from akin.settings import (
    ComposeSettings,
    EncoderSettings,
    EnvironmentSettings,
    PageSettings,
    ServiceSettings,
    SettingsError,
)
from akin.settings.places import without_credentials
from akin.settings.reference import GROUPS, definitions, docs, env
from akin.settings.unknown import warnings

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("settings", "variable", "value"),
    [
        (ServiceSettings, "AKIN_SERVICE_PORT", "0"),
        (ServiceSettings, "AKIN_SERVICE_PORT", "65536"),
        (ServiceSettings, "AKIN_RATE_LIMIT", "nan"),
        (ServiceSettings, "AKIN_RATE_LIMIT", "inf"),
        (ServiceSettings, "AKIN_POOL", "9"),
        (ServiceSettings, "AKIN_FUSION", "best"),
        (ServiceSettings, "AKIN_LOG_REQUESTS", "perhaps"),
        (ServiceSettings, "AKIN_TRITON_URL", "triton:8001"),
        (ServiceSettings, "AKIN_SERVICE_ROOT_PATH", "/papers"),
        (ServiceSettings, "AKIN_SERVICE_ROOT_PATH", "/papers/api"),
        (ServiceSettings, "AKIN_SERVICE_ROOT_PATH", "/search"),
        (ServiceSettings, "AKIN_SERVICE_ROOT_PATH", "api"),
        (ServiceSettings, "AKIN_TRUSTED_PROXIES", "proxy.example"),
        (PageSettings, "AKIN_UI_ROOT_PATH", "https://a.example/akin"),
        (PageSettings, "AKIN_UI_ROOT_PATH", "/a//b"),
        (PageSettings, "AKIN_UI_ROOT_PATH", "/../akin"),
        (PageSettings, "AKIN_UI_ROOT_PATH", "/ak in"),
        (PageSettings, "AKIN_UI_ROOT_PATH", "/assets"),
        (PageSettings, "AKIN_SERVICE_URL", "ftp://x"),
        (EncoderSettings, "AKIN_ENCODER_THREADS", "two"),
        (ComposeSettings, "AKIN_GPU_RUNTIME", "plan"),
        (ComposeSettings, "AKIN_CPU_SERVICES", "2"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_variable(
    settings: type[EnvironmentSettings], variable: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=rf"^{variable} is '{value}': ") as caught:
        settings.read({variable: value})
    assert "\n" not in str(caught.value)


def test_a_root_path_is_read_with_or_without_its_last_slash() -> None:
    for path in ("/akin", "/a/b-c/v1.2", "/search/akin", "/api"):
        assert ServiceSettings.read({"AKIN_SERVICE_ROOT_PATH": f"{path}/"}).service_root_path == path
        assert PageSettings.read({"AKIN_UI_ROOT_PATH": path}).ui_root_path == path
    assert PageSettings.read({"AKIN_UI_ROOT_PATH": "/"}).ui_root_path == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://eva:word@milvus:19530", "http://milvus:19530"),  # pragma: allowlist secret
        ("https://eva:wo@rd@milvus/db?x=a@b", "https://milvus/db?x=a@b"),  # pragma: allowlist secret
        (
            "bad uri: [redis://:word@10.0.0.5:6379/0], and http://a@b/",
            "bad uri: [redis://10.0.0.5:6379/0], and http://b/",
        ),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("/data/milvus@home.db", "/data/milvus@home.db"),
    ],
)
def test_an_address_is_shown_without_its_password(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


def test_all_wrong_values_are_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        ServiceSettings.read({"AKIN_POOL": "1", "AKIN_RATE_BURST": "0"})
    assert sorted(line.split()[0] for line in str(caught.value).splitlines()) == ["AKIN_POOL", "AKIN_RATE_BURST"]


@pytest.mark.parametrize("owner", GROUPS.values())
def test_an_empty_variable_is_absent(owner: type[EnvironmentSettings]) -> None:
    assert owner.read({owner.variable(field): "" for field in owner.model_fields}) == owner.read({})


def test_a_given_environment_replaces_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKIN_POOL", "50")
    assert ServiceSettings.read().pool == 50
    assert ServiceSettings.read({}).pool == 100
    assert ServiceSettings.read({"AKIN_POOL": "60"}).pool == 60
    assert ServiceSettings(pool=70).pool == 70


def test_every_definition_has_one_line_that_explains_it() -> None:
    for variable, (owner, field) in definitions().items():
        description = owner.model_fields[field].description or ""
        assert description.endswith("."), variable
        assert "\n" not in description, variable


def test_a_setting_that_several_parts_read_is_one_definition() -> None:
    for variable, (first, field) in definitions().items():
        for owner in GROUPS.values():
            if field in owner.model_fields:
                assert issubclass(owner, first), (variable, owner)


def test_the_page_of_settings_is_made_from_the_definitions() -> None:
    assert (ROOT / "docs/settings.md").read_text() == docs(), (
        "run: .venv/bin/python -m akin.settings docs > docs/settings.md"
    )


def test_the_example_for_compose_is_made_from_the_definitions() -> None:
    made = env(ROOT / "docker-compose.yml")
    assert (ROOT / ".env.example").read_text() == made, "run: .venv/bin/python -m akin.settings env > .env.example"


@pytest.mark.parametrize("name", ["docs", "env"])
def test_the_command_prints_both(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "akin.settings", name], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == {"docs": docs(), "env": env(ROOT / "docker-compose.yml")}[name]


def test_a_misspelt_setting_is_reported_with_the_most_similar_one() -> None:
    told = warnings({"AKIN_RATELIMIT": "5", "AKIN_POOL": "50", "AKIN_ZZZZ": "1", "HOME": "/"})
    assert told == [
        "AKIN_RATELIMIT is not a setting of Akin. Did you mean AKIN_RATE_LIMIT?",
        "AKIN_ZZZZ is not a setting of Akin. docs/settings.md lists all of them.",
    ]


def test_the_encoder_has_the_same_defaults_inside_triton() -> None:
    folder = ROOT / "model_repository" / "text_encoder"
    given = dict(re.findall(r'key: "(\w+)" value: { string_value: "(.*?)" }', (folder / "config.pbtxt").read_text()))
    code = "\n".join(path.read_text() for path in folder.glob("*.py"))
    defaults = EncoderSettings.read({})
    fallbacks = dict(re.findall(r'os\.environ\.get\("(AKIN_\w+)"\) or parameters\["(\w+)"\]', code))
    assert {name: given[key] for name, key in fallbacks.items()} == {
        "AKIN_ENCODER_RUNTIME": defaults.encoder_runtime,
        "AKIN_ENCODER_THREADS": str(defaults.encoder_threads),
    }
    read = set(re.findall(r'os\.environ\.get\("(AKIN_\w+)"', code))
    assert read == {EncoderSettings.variable(field) for field in EncoderSettings.model_fields}
    # Inside Triton, absent means no inner model; here, the empty default does.
    assert defaults.encoder_inner == ""
