"""Designs, spaces of designs, outcomes, and the pure function that leads from one to the other."""
