"""Events that are kept for what they say about the server itself: installations, crash reports with the build, changes of
the IIS configuration, the Emergency Mitigation service.

Sources: MsiInstaller 1022, 1033 to 1038 and Windows Update 19 and 20 as Windows writes them; MSExchange Common 4999 and
IIS-Configuration 29 from published examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

MOST_INSTALLS = 20_000  # in one log
MOST_VALUES = 40
MOST_VALUE = 4_000  # characters of one value
_ALL: frozenset[int] = frozenset()
# Provider in lower case -> event ids; empty: all of them.
PROVIDERS: Mapping[str, frozenset[int]] = MappingProxyType(
    {
        "msiinstaller": frozenset((1022, 1033, 1034, 1035, 1036, 1037)),
        "microsoft-windows-windowsupdateclient": frozenset((19, 20)),
        "windows update agent": frozenset((19, 20)),
        "msexchange common": frozenset((4999,)),
        "microsoft-windows-iis-configuration": frozenset((29,)),
        "msexchange mitigation service": _ALL,
    }
)


def watched(provider: str, event_id: str | int) -> bool:
    """Whether an event is one of these."""
    ids = PROVIDERS.get(provider.lower())
    return ids is not None and (not ids or int(event_id) in ids)
