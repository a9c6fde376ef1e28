"""Turn a corpus into a split, into pairs and into blocks of similar pairs."""
