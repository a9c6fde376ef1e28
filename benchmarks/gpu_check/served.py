"""Import the torch runtime that Triton serves, so that the check measures the same code."""

from __future__ import annotations

import sys

from benchmarks.gpu_check.code import FOLDER

if str(FOLDER) not in sys.path:
    # Last, so that no name of it hides a package's.
    sys.path.append(str(FOLDER))

from torch_encoder import CAPACITIES as CAPACITIES
from torch_encoder import TorchEncoder as TorchEncoder
from torch_encoder import UnsupportedModel as UnsupportedModel
