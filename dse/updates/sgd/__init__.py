"""Stochastic gradient descent in digital floats."""
