"""Manage encoder versions: list, evaluate, promote, roll back, and prepare them for a GPU."""
