"""What fulfils the ports: Triton, FAISS, Tantivy and SQLite, each translating its own errors."""
