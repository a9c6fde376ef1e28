"""`python -m akin`: the command line, where no script of that name is installed."""

from akin.cli import main

if __name__ == "__main__":
    main()
