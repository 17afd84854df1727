"""Stacked LSTM layers that read text."""
