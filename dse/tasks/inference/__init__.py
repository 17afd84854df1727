"""Inference: what a network that was trained elsewhere is still worth on cells."""
