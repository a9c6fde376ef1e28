"""Define every setting of Akin once: name, type, default, bounds and one line of explanation.

A setting is an environment variable: `AKIN_` and the field's name in capitals. The service, the page and the local
stack read these classes. Tests compare `docker-compose.yml`, `.env.example` and `docs/settings.md` with them;
`python -m akin.settings docs` and `python -m settings env` print the last two files.
"""

from akin.settings.base import EnvironmentSettings, SettingsError
from akin.settings.compose import ComposeSettings
from akin.settings.encoder import EncoderSettings
from akin.settings.page import PageSettings
from akin.settings.places import Sources
from akin.settings.service import ServiceSettings
from akin.settings.stack import StackSettings

__all__ = [
    "ComposeSettings",
    "EncoderSettings",
    "EnvironmentSettings",
    "PageSettings",
    "ServiceSettings",
    "SettingsError",
    "Sources",
    "StackSettings",
]
