"""A plain network of nine layers, with dropout."""
