"""Engines, which write the replies of a local Space."""
