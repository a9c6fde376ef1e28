"""Types of arrays that several modules of this package use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
"""Vectors, weights or activations."""

Values = dict[str, NDArray[np.float64]]
"""For each metric one value for each query."""
