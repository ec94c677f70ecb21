"""Lets the tests beside it import `byhand`, and gives `eventkit` and `serverkit` as fixtures."""

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


@pytest.fixture(scope="session")
def events() -> ModuleType:
    """The module eventkit.py."""
    return importlib.import_module("eventkit")
