"""The settings of the service; `akin.settings.service` defines them."""

from akin.settings.service import ServiceSettings as Settings

__all__ = ["Settings"]
