"""What every test here runs with."""

import os

# Models of these tests are folders: block requests to the hub before its library is imported.
os.environ["HF_HUB_OFFLINE"] = "1"
