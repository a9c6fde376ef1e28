"""The retrieval service: it answers a query with ranked papers.

`app` makes the HTTP application, `settings` holds its settings, and `corpus` opens and watches snapshots. `routes`
(HTTP) calls `search` (the query path), which depends only on the protocols in `ports`; `adapters` implement these
with Triton, FAISS, Tantivy and SQLite.
"""
