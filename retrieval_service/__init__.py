"""The retrieval service: a query goes to Triton, to vector and to lexical search, and comes back as ranked papers.

`app` makes the HTTP application, `settings` holds what can be set, `snapshot` builds, publishes and verifies what is
searched. Inside, `routes` (HTTP) calls `search` (the query path), which knows only the protocols in `ports`;
`adapters` fulfil those with Triton, FAISS, Tantivy and SQLite.
"""
