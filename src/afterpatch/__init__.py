"""Afterpatch: compromise assessment for Microsoft Exchange servers, offline and read-only."""

__version__ = "0.1.0"
