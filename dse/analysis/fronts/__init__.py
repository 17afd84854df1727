"""Pareto fronts: exact ones, how good and how sure they are, as tables and pictures."""
