"""The case directory: what an examination leaves on disk, and what later commands read."""

from afterpatch.case.store import Case, open_case, write_case

__all__ = ["Case", "open_case", "write_case"]
