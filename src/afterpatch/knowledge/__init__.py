"""Shipped facts, each with its origin, and their loaders.

Importing this package reads nothing: every loader reads its own file on first use and keeps it. Modules: `builds`,
`vulnerabilities`, `exploitation`, `baseline`, `iis_baseline`, `indicators`, `mitigations`, `actions`.
"""
