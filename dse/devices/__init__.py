"""One PCM cell: what can be chosen, the cards that hold measured values, and what happens under pulses and time."""
