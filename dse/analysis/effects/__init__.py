"""What a parameter or a control does: importance, ablations, two studies side by side."""
