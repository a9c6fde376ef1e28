"""Build the map of a snapshot: lay papers out on a plane by the nearness of their vectors, and name its regions."""
