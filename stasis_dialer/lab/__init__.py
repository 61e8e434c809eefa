"""A complete telephone world on loopback for development, tests and the demo: see `world`."""
