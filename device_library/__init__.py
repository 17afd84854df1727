"""Cells and cost cards as TOML files, every number with its unit and source; `README.md` says how to add your own."""
