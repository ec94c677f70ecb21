"""Lets the tests beside it import `byhand`, and gives `serverkit` as a fixture."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def kit() -> ModuleType:
    """The module serverkit.py."""
    return importlib.import_module("serverkit")
