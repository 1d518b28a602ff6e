"""The parts that every adapter to a framework shares."""
