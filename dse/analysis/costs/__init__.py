"""Prices of stored designs: cards, free axes, plausible worlds."""
