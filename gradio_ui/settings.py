"""The settings of the page; `akin.settings.page` defines them."""

from akin.settings.base import SettingsError
from akin.settings.page import PageSettings as Settings

__all__ = ["Settings", "SettingsError"]
