"""Questions to one table: SQL, a single trial, where a study stands."""
