"""Questions to the table: fronts, queries, single trials, pictures. No torch, no Ray, no Optuna."""
