"""Layers, accumulators, networks, data sets, and the loop that trains."""
