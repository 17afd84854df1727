"""The command `dse`, which is also `python -m dse`: an interruption while it is being imported ends it quietly, too."""

import sys


def main() -> None:
    """Import the command line and run it."""
    try:
        from dse.cli.main import main as command  # noqa: PLC0415  what takes time

        command()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
