"""Make the site of the documentation (docs/documentation.md)."""
