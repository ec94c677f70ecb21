"""`python -m afterpatch`: the same as the command."""

from afterpatch.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
