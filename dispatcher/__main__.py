"""python -m dispatcher, and the console script."""

import sys

from dispatcher.cli.app import main


def run() -> None:
    """Run the command of this process and exit with its code."""
    sys.exit(main())


if __name__ == "__main__":
    run()
