"""`python -m lib …`: the command line (see `lib.cli`)."""

from lib.cli import podium

if __name__ == "__main__":
    podium(prog_name="podium")
