"""Transport agents: code that handles every mail (agents.config, fetagents.config)."""

from __future__ import annotations

from collections.abc import Iterable

from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import fire, load_data, load_table
from afterpatch.detect.files.paths import file_name, normal
from afterpatch.detect.files.setting import in_drop_folder
from afterpatch.parsers.agentsconfig import TransportAgent, parse_agents_config


class TransportAnalyser:
    """Agents whose assembly is not one of Exchange's own."""

    name = "transport"
    artifacts = ("agents-config",)
    detections = tuple(load_table("transport"))

    def analyse(self, item: FileItem, context: FileContext) -> Iterable[FileFinding]:
        """One finding an agent that lies outside the stock folders, or bears a published name."""
        named = file_name(item.path).lower() in ("agents.config", "fetagents.config")
        if not named and item.artifact.kind != "agents-config":
            return
        config = parse_agents_config(item.content, item.artifact.shown)
        context.notices.extend(config.notices)
        for agent in config.agents:
            detection, severity = _grade(agent, context.facts.install_path)
            if detection:
                yield _finding(detection, severity, agent, item)


def _grade(agent: TransportAgent, install_path: str) -> tuple[str, str]:
    known = load_data("transport")
    path = normal(agent.assembly_path)
    library = file_name(path)
    if library in known["bad_libraries"] or (agent.name in known["bad_names"] and not _stock(path, install_path)):
        return "transport-agent-known-bad", "critical"
    if _stock(path, install_path):
        return "", ""
    return "transport-agent-foreign", "critical" if in_drop_folder(agent.assembly_path) else "medium"


def _stock(path: str, install_path: str) -> bool:
    """Whether an assembly lies in Exchange's own agents folder or is a Microsoft.Exchange library of its Bin folder."""
    known = load_data("transport")
    if install_path and not path.startswith(normal(install_path).rstrip("\\") + "\\"):
        return False
    if any(folder in path for folder in known["stock_folders"]):
        return True
    below = any(folder in path for folder in known["library_folders"])
    return below and file_name(path).startswith("microsoft.exchange.") and "\\" in path


def _finding(detection: str, severity: str, agent: TransportAgent, item: FileItem) -> FileFinding:
    facts = (
        ("agent", agent.name),
        ("assembly", agent.assembly_path),
        ("factory", agent.class_factory),
        ("enabled", "yes" if agent.enabled else "no"),
    )
    raw = f'<agent name="{agent.name}" classFactory="{agent.class_factory}" assemblyPath="{agent.assembly_path}"'
    path = agent.assembly_path or item.path
    sure = {"confidence": "moderate"} if severity == "critical" and detection == "transport-agent-foreign" else {}
    return fire(detection, path, severity=severity, **sure, facts=facts, raw=raw, line=agent.line or None)
