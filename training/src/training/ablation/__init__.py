"""Train the recipe in several variants, and compare them in hybrid search."""
