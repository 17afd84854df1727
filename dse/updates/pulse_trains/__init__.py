"""Analog stochastic gradient descent by pulse trains that meet in the cells."""
