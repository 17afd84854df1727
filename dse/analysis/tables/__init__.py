"""The tables of a study as frames, the quantities in them, and how they are shown."""
