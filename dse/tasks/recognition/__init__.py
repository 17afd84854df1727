"""Recognition: which class a sample belongs to."""
