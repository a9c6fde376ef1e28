"""What every test here runs with."""

import os

# Models of these tests are folders; nothing may ask the hub, whatever imports its library first.
os.environ["HF_HUB_OFFLINE"] = "1"
