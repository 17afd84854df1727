"""Regression: numbers for every sample."""
