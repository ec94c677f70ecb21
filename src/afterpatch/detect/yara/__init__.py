"""Content signatures: our YARA rules and the user's, compiled by YARA-X."""

from afterpatch.detect.yara.compile import compile_rules, rule_meta
from afterpatch.detect.yara.scan import Match, scan_views

__all__ = ["Match", "compile_rules", "rule_meta", "scan_views"]
