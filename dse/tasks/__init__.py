"""Tasks: how a network learns, and what it is measured by."""
