"""A Sigma engine: YAML in, matches out (specification 2.1.0)."""

from afterpatch.detect.sigma.compile import CompiledRule, compile_rule, compile_rules
from afterpatch.detect.sigma.literals import UNUSUAL, Necessary
from afterpatch.detect.sigma.load import load_rules
from afterpatch.detect.sigma.mapping import FieldMapping, MappedView, default_mappings
from afterpatch.detect.sigma.model import RAW, Correlation, Example, Keys, LogSource, Rule, RuleSet
from afterpatch.detect.sigma.view import DictView, FieldView

__all__ = [
    "RAW",
    "UNUSUAL",
    "CompiledRule",
    "Correlation",
    "DictView",
    "Example",
    "FieldMapping",
    "FieldView",
    "Keys",
    "LogSource",
    "MappedView",
    "Necessary",
    "Rule",
    "RuleSet",
    "compile_rule",
    "compile_rules",
    "default_mappings",
    "load_rules",
]
