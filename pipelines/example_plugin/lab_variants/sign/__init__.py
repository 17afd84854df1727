"""Sign descent."""
