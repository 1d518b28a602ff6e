"""What the clients cost, theirs and ours: `python -m benchmarks`."""
