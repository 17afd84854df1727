"""Data of the user, from a file: arrays, a table, or a folder of idx files."""
