"""Define the base class of all settings, which reads environment variables and names a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "AKIN_"


def _port_from(least: int) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, str) and not (value.isascii() and value.isdigit() and least <= int(value[:6]) <= 65535):
            raise ValueError(f"it must be a port from {least} to 65535")
        return value

    return BeforeValidator(check)


Port = Annotated[int, _port_from(1), Field(ge=1, le=65535)]
FreePort = Annotated[int, _port_from(0), Field(ge=0, le=65535)]
"""A port, or 0 with a special meaning."""


def _split(value: object) -> object:
    return tuple(part for part in value.replace(",", " ").split() if part) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Names with commas or spaces between them."""

_environment: ContextVar[Mapping[str, str] | None] = ContextVar("environment", default=None)


class SettingsError(ValueError):
    """Environment variable with a value that cannot be used; the message names both and the reason."""


class EnvironmentSettings(BaseSettings):
    """Settings read from the environment; an empty variable counts as absent."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        allow_inf_nan=False,
        populate_by_name=True,
    )

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the settings of an environment; by default that of this process.

        Raises:
            SettingsError: A value is of the wrong type or out of bounds.
        """
        token = _environment.set(environ)
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError(cls._explain(error)) from None
        finally:
            _environment.reset(token)

    @classmethod
    def variable(cls, field: str) -> str:
        """Return the name of the environment variable of a field."""
        alias = cls.model_fields[field].validation_alias
        return alias if isinstance(alias, str) else PREFIX + field.upper()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources: arguments first, then the environment given to `read`, or that of the process."""
        environ = _environment.get()
        return init_settings, env_settings if environ is None else _GivenEnvironment(settings_cls, environ)

    @classmethod
    def _explain(cls, error: ValidationError) -> str:
        lines = []
        for wrong in error.errors(include_url=False):
            where = str(wrong["loc"][0]) if wrong["loc"] else ""
            reason = wrong["msg"].removeprefix("Value error, ").replace("Input should be", "it must be").rstrip(".")
            if where:
                name = cls.variable(where) if where in cls.model_fields else where
                secret = where in cls.model_fields and cls.model_fields[where].annotation is SecretStr
                shown = "a secret" if secret else repr(str(wrong["input"]))
                reason = f"{name} is {shown}: {reason[:1].lower()}{reason[1:]}"
            lines.append(f"{reason}.")
        return "\n".join(lines)


class _GivenEnvironment(EnvSettingsSource):
    """Source of environment variables from a mapping."""

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self.env_vars = {name.lower(): value for name, value in environ.items() if value}
