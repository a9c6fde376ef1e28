"""The settings of the service; `settings.service` defines them."""

from settings.service import ServiceSettings as Settings

__all__ = ["Settings"]
