"""Measure the cost of the clients, theirs and ours: `python -m benchmarks`."""
