"""The query path: plan a request, search both indexes, join the two rankings, and fetch the papers.

This package depends on the protocols in `ports` only, not on HTTP or on an index library.
"""
