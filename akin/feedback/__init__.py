"""Keep what readers say of results, compare two encoders by it, and export it for training and evaluation."""
