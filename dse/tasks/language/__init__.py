"""Language: which character follows in a text."""
