"""A plain network of three convolutions."""
