"""Questions to one table: SQL, a single trial, the progress of a study."""
