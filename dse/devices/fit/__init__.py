"""A cell from your own measurement: trains of SET pulses, their likelihood, the fitted response, the cell, its card."""
