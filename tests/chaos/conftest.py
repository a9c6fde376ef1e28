"""Fixtures of a generated corpus, and those of the real stack, for the tests of faults."""

from __future__ import annotations

from tests.integration.conftest import corpus, kit

__all__ = ["corpus", "kit"]
