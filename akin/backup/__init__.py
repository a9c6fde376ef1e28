"""Copy data and models to one file or folder, checked by digests, and bring them back on any machine."""
