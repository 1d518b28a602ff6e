"""What every adapter to a framework is made of."""
