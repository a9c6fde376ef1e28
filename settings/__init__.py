"""Define every setting of Akin once: name, type, default, bounds and one line of explanation.

A setting is an environment variable: `AKIN_` and the field's name in capitals. The service, the page and the local
stack read these classes. Tests compare `docker-compose.yml`, `.env.example` and `docs/settings.md` with them;
`python -m settings docs` and `python -m settings env` print the last two files.
"""

from settings.base import EnvironmentSettings, SettingsError
from settings.compose import ComposeSettings
from settings.encoder import EncoderSettings
from settings.page import PageSettings
from settings.service import ServiceSettings
from settings.stack import StackSettings

__all__ = [
    "ComposeSettings",
    "EncoderSettings",
    "EnvironmentSettings",
    "PageSettings",
    "ServiceSettings",
    "SettingsError",
    "StackSettings",
]
