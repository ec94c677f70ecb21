"""agents.config and fetagents.config: the transport agents that handle every mail."""

from __future__ import annotations

from dataclasses import dataclass

from afterpatch.model import Notice
from afterpatch.parsers.sections import is_true
from afterpatch.parsers.xmltree import find_all, line_of, parse_xml


@dataclass(frozen=True, slots=True)
class TransportAgent:
    """A registered agent: the class that makes it and the assembly that holds that class, as written."""

    name: str
    base_class: str
    class_factory: str
    assembly_path: str
    enabled: bool
    internal: bool
    line: int


@dataclass(frozen=True, slots=True)
class AgentsConfig:
    """The agents in the order in which they run, and what could not be read."""

    agents: tuple[TransportAgent, ...]
    notices: tuple[Notice, ...]


def parse_agents_config(data: bytes, path: str) -> AgentsConfig:
    """An agents.config, as much of it as can be read (attribute names compared without case). Notices: those of
    xmltree.parse_xml, and notice.agents-config-empty where no agent is named."""
    tree = parse_xml(data, path)
    found: list[TransportAgent] = []
    for element in find_all(tree.root, "agent") if tree.root is not None else ():
        attributes = {str(name).lower(): str(value) for name, value in element.attrib.items()}
        found.append(
            TransportAgent(
                name=attributes.get("name", ""),
                base_class=attributes.get("baseclass", ""),
                class_factory=attributes.get("classfactory", ""),
                assembly_path=attributes.get("assemblypath", ""),
                enabled=is_true(attributes.get("enabled"), default=True),
                internal=is_true(attributes.get("isinternal"), default=False),
                line=line_of(element),
            )
        )
    notices = tree.notices if found else (*tree.notices, Notice(path, "", "notice.agents-config-empty"))
    return AgentsConfig(tuple(found), notices)
