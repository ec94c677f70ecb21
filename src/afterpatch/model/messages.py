"""Texts that are looked up in a catalogue when they are shown: `msg:key|name=value`."""

from __future__ import annotations

PREFIX = "msg:"
_ENCODED = str.maketrans({"%": "%25", "|": "%7C", "=": "%3D"})


def message(key: str, **values: object) -> str:
    """The text form of a message, as the model carries it. Values are free text (evidence, too); the key is ours."""
    return PREFIX + "|".join([key, *(f"{name}={str(value).translate(_ENCODED)}" for name, value in values.items())])
