"""`python -m transcriber` is `transcriber`."""

import sys

from transcriber.cli import main

if __name__ == "__main__":  # the engine process is spawned, which imports this module once more
    sys.exit(main())
