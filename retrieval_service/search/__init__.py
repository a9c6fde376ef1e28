"""The query path: a request is planned, both halves are searched, what they found is joined and fetched.

Nothing here knows HTTP or any engine: it works on the protocols in `ports`.
"""
