# ruff: noqa: E501 (tables of paths and configuration lines read best one a line)
"""Transport agents."""

from __future__ import annotations

import pytest

from afterpatch.detect.files.item import Facts, FileContext
from afterpatch.detect.files.transport import TransportAnalyser

from .conftest import EXCHANGE, make_item

PATH = EXCHANGE + "TransportRoles\\Shared\\agents.config"
AGENTS = EXCHANGE + "TransportRoles\\agents\\"


def run(name: str, assembly: str) -> dict[str, str]:
    content = (
        '<?xml version="1.0"?><configuration><mexRuntime><monitoring /><agentList>'
        f'<agent name="{name}" baseClass="Microsoft.Exchange.Data.Transport.Routing.RoutingAgentFactory" '
        f'classFactory="X.Factory" assemblyPath="{assembly}" enabled="true" />'
        "</agentList></mexRuntime></configuration>"
    ).encode()
    context = FileContext(facts=Facts(install_path=EXCHANGE))
    found = TransportAnalyser().analyse(make_item(PATH, content, "agents-config"), context)
    return {one.detection: one.severity for one in found}


@pytest.mark.parametrize(
    ("name", "assembly", "detection", "severity"),
    [
        ("Security Interop agent", EXCHANGE + "Bin\\Microsoft.Exchange.Security.Interop.dll", "transport-agent-known-bad", "critical"),
        ("Content filter agent", "C:\\x\\y.dll", "transport-agent-known-bad", "critical"),
        ("Mail Helper", "C:\\ProgramData\\x.dll", "transport-agent-foreign", "critical"),
        ("AV Agent", "C:\\Program Files\\AV\\agent.dll", "transport-agent-foreign", "medium"),
        ("Other", "D:\\TransportRoles\\agents\\x.dll", "transport-agent-foreign", "medium"),
    ],
)  # fmt: skip
def test_foreign_agents(name: str, assembly: str, detection: str, severity: str) -> None:
    assert run(name, assembly) == {detection: severity}


@pytest.mark.parametrize(
    ("name", "assembly"),
    [
        ("Transport Rule Agent", AGENTS + "Rule\\Microsoft.Exchange.MessagingPolicies.TransportRuleAgent.dll"),
        ("Content Filter Agent", AGENTS + "Hygiene\\Microsoft.Exchange.Transport.Agent.Hygiene.dll"),
        ("Exchange Agent", EXCHANGE + "Bin\\Microsoft.Exchange.Transport.dll"),
    ],
)
def test_stock_agents(name: str, assembly: str) -> None:
    assert run(name, assembly) == {}


def test_other_files_are_passed_over() -> None:
    assert list(TransportAnalyser().analyse(make_item("C:\\x\\web.config", b"<a/>"), FileContext())) == []
