"""The scanning plane: text logs as bytes first, candidates parsed, exact judgement.

A chunk of a log is scanned for the literals that rules need; only lines that hold one are parsed and judged. Line
structure (headers, bad lines, times) is read from the same bytes by columnar operations, so that every line of every
file is accounted for without parsing it.
"""
