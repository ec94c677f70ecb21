"""The commands: parse, call, print. Results go to stdout or files, progress and errors to stderr."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from afterpatch import __version__
from afterpatch.model.errors import AfterpatchError

OK, FOUND, ERROR, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code (see docs/commands.md)."""
    _plain_streams()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's linear algebra is not used; a process with threads forks badly
    parser = build_parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] | None = getattr(options, "run", None)
    if command is None:
        parser.print_help()
        return ERROR
    try:
        code = command(options)
        sys.stdout.flush()
        return code
    except AfterpatchError as error:
        return _stop(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read us has gone: nothing to say
        return OK
    except MemoryError:
        return _stop("not enough memory: examine fewer files at once, or use --jobs 1")
    except Exception as error:  # the last boundary: a bug of ours must not look like a verdict
        if os.environ.get("AFTERPATCH_RAISE") == "1":
            raise
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        place = f"{where.tb_frame.f_code.co_filename.rpartition('afterpatch')[2]}:{where.tb_lineno}" if where else "?"
        return _stop(f"internal error ({type(error).__name__} at {place}): please report it; nothing was concluded")


def _stop(sentence: str) -> int:
    sys.stderr.write(f"afterpatch: {sentence}\n")
    return ERROR


def _plain_streams() -> None:
    """Output never fails for a character the terminal cannot show."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(ERROR, f"{self.prog}: {message}; see '{self.prog} --help'\n")


def build_parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    parser = _Parser(
        prog="afterpatch",
        description="Examines the evidence of Microsoft Exchange servers, offline: who came in, what they left behind, "
        "what must be done - and what the evidence cannot tell.",
        epilog="Exit codes: 0 nothing found and the evidence covers the question; 1 findings; 2 error; "
        "3 nothing found, but the evidence is incomplete; 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"afterpatch {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    from afterpatch.cli import commands as listed

    for add in listed.COMMANDS:
        add(commands)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
