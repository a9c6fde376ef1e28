"""arXiv's category taxonomy: codes and names, including the archives that were later merged into others.

`categories.txt` lists them, the current ones first: old papers keep their category after its archive was merged or
divided.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_LINES = Path(__file__).with_name("categories.txt").read_text("utf-8").splitlines()

CATEGORIES: Mapping[str, str] = MappingProxyType(dict(line.split("\t") for line in _LINES))
"""Names of all categories, current and retired, by code."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "cs.NA": "math.NA",
        "cs.SY": "eess.SY",
        "math.IT": "cs.IT",
        "math.MP": "math-ph",
        "q-fin.EC": "econ.GN",
        "stat.TH": "math.ST",
    }
)
"""Canonical code of each category that has a second code, by that second code."""

SUCCESSORS: Mapping[str, str] = MappingProxyType(
    {
        "acc-phys": "physics.acc-ph",
        "adap-org": "nlin.AO",
        "alg-geom": "math.AG",
        "ao-sci": "physics.ao-ph",
        "atom-ph": "physics.atom-ph",
        "bayes-an": "physics.data-an",
        "chao-dyn": "nlin.CD",
        "chem-ph": "physics.chem-ph",
        "cmp-lg": "cs.CL",
        "comp-gas": "nlin.CG",
        "dg-ga": "math.DG",
        "funct-an": "math.FA",
        "mtrl-th": "cond-mat.mtrl-sci",
        "patt-sol": "nlin.PS",
        "plasm-ph": "physics.plasm-ph",
        "q-alg": "math.QA",
        "solv-int": "nlin.SI",
        "supr-con": "cond-mat.supr-con",
    }
)
"""Category that an archive of the 1990s became, by the archive's name. Its papers keep their archive's name."""


def subject(code: str) -> str:
    """Return a category for display, such as "Machine Learning (cs.LG)"; an unknown code unchanged."""
    name = CATEGORIES.get(code)
    return f"{name} ({code})" if name else code
