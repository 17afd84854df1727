"""Data sets: what they are, and how they come to the machine."""
