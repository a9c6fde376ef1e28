"""Implementations of the ports with Triton, FAISS, Tantivy and SQLite; each translates the errors of its library."""
