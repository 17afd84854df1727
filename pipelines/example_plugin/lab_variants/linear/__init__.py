"""A cell with equal steps in both directions."""
