"""Direct pulsed training."""
