"""The settings of the page; `settings.page` defines them."""

from settings.base import SettingsError
from settings.page import PageSettings as Settings

__all__ = ["Settings", "SettingsError"]
