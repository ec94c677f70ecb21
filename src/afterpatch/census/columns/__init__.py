"""Scan data as columns: bytes cut into cells by NumPy, texts as numbers, and files that the database reads at once."""
