"""The command line: one file a command, named as the command; `main` puts them together."""
