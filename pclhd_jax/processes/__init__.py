"""The devices and processes of a run: mesh, exchange, start, signals."""
