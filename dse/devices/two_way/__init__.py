"""Cells whose pulses go both ways: what their models have in common, and the models."""
