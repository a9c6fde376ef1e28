"""Write files durably and lock them between processes."""
