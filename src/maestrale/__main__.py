"""`python -m maestrale` is the program `maestrale`."""

import sys

from maestrale.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
