"""Author of a paper: a person, or a collaboration."""

from __future__ import annotations

import msgspec


class Author(msgspec.Struct, frozen=True, gc=False, array_like=True):
    r"""Author of a paper, as the source writes it: TeX accents such as `\'e` are kept.

    Attributes:
        family: the family name with its particles, "van der Meer"; of a collaboration, its whole name.
        given: the given names or initials; empty for a collaboration, or if only one name is known.
        suffix: "Jr.", "III" and the like.
        collaboration: True for a collaboration, group, team or institution.
    """

    family: str
    given: str = ""
    suffix: str = ""
    collaboration: bool = False

    @property
    def name(self) -> str:
        """The name as printed: "Calvin Reyes Jr."."""
        return " ".join(part for part in (self.given, self.family, self.suffix) if part)


MORE_AUTHORS = Author("et al.")
"""Last of the authors of a library's entry that names the first ones only."""
