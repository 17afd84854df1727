"""The table of trials: its schema, and the folder that never loses a row. No torch, no Ray, no Optuna."""
