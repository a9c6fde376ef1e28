"""Build, update and tune snapshots, which the retrieval service opens; the service never imports this package.

Import from the modules: `build`, `update`, `tune` and `verify` make and check snapshots, `options` has what they take.
"""
