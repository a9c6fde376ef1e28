"""HTTP routes: read the parameters, call `search`, write the answer. All decisions are in `search`."""
