"""Keep what readers say of results, where the operator has turned that on; compare two encoders by it."""
