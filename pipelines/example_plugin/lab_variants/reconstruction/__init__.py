"""Reconstruction: the pixels of an image from a short code."""
