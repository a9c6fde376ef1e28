"""Import who cites whom into a snapshot, and carry it over when a snapshot is updated."""
