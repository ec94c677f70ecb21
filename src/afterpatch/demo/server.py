"""The example servers: names, addresses, where Exchange is installed, and which build ran when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Build:
    """A build and the moment it began to run; the first entry of a server begins long ago."""

    since: datetime
    number: str

    @property
    def parts(self) -> tuple[str, str, str, str]:
        """Major, minor, build, revision, as the request logs write them in four columns."""
        major, minor, build, revision = self.number.split(".")
        return major, minor, build, revision

    @property
    def padded(self) -> str:
        """`15.01.2106.002`: the form of `#Version` lines, message tracking and log rows."""
        major, minor, build, revision = self.parts
        return f"{int(major):02d}.{int(minor):02d}.{int(build):04d}.{int(revision):03d}"

    @property
    def encoded(self) -> int:
        """The integer of `BEVersion-`: 15.1.2375 is 1942063431 (checked against published lines)."""
        major, minor, build, _ = self.parts
        return 0x70008000 | int(major) << 22 | int(minor) << 16 | int(build)


def builds(first: str, *later: tuple[datetime, str]) -> tuple[Build, ...]:
    """The builds of a server: the one it starts with, then (moment, number) of each update."""
    return (Build(LONG_AGO, first), *(Build(moment, number) for moment, number in later))


@dataclass(frozen=True, slots=True)
class Server:
    """One example server. `generation` is V15 (2013 and later) or V14 (2010: no HttpProxy, no ECP server log)."""

    name: str = "EXCH01"
    address: str = "10.0.0.5"
    link_local: str = "fe80::5c1d:8f2a:7b30:11e4%3"
    install: str = "D:\\Exchange"
    product: str = "Microsoft Exchange Server 2016"
    generation: str = "V15"
    builds: tuple[Build, ...] = builds("15.1.2106.2")
    installed: datetime = datetime(2020, 10, 17, 9, 12, 40, tzinfo=UTC)
    domain: str = "example.local"
    netbios: str = "EXAMPLE"
    mail_domain: str = "example.com"

    @property
    def fqdn(self) -> str:
        """`exch01.example.local`."""
        return f"{self.name.lower()}.{self.domain}"

    @property
    def mail_host(self) -> str:
        """The name clients use."""
        return f"mail.{self.mail_domain}"

    @property
    def machine_account(self) -> str:
        """`EXAMPLE\\EXCH01$`: how calls relayed by the front end appear on the back end."""
        return f"{self.netbios}\\{self.name}$"

    def build_at(self, moment: datetime) -> Build:
        """The build that ran at a moment."""
        return [build for build in self.builds if build.since <= moment][-1]
