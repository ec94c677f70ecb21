"""An example examination with every state in it: a breached server, an attacked one, a quiet one and a poor one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from afterpatch.model import (
    Actor,
    Answerable,
    BackDoor,
    Chain,
    Coverage,
    DetectionState,
    EvidenceRef,
    EvidenceSource,
    Examination,
    Exposure,
    Finding,
    Gap,
    Impact,
    ImpactItem,
    Notice,
    ServerExamination,
    Subject,
    TimelineEntry,
    Verdict,
)
from afterpatch.report.run import RunInfo
from afterpatch.report.text import message

RUN = RunInfo(
    "0.1.0",
    "3f7c0a91d2be",
    datetime(2021, 3, 20, 9, 0, tzinfo=UTC),
    datetime(2021, 3, 20, 9, 4, 31, tzinfo=UTC),
    "afterpatch examine MAIL01.zip MAIL02.zip --report report.html",
)
SHELL = "C:\\inetpub\\wwwroot\\aspnet_client\\discover.aspx"
PROXY_LOG = "C:\\Program Files\\Microsoft\\Exchange Server\\V15\\Logging\\HttpProxy\\Ecp\\HttpProxy_2021030305-1.LOG"
IIS_LOG = "C:\\inetpub\\logs\\LogFiles\\W3SVC1\\u_ex210303.log"
SHA = "b75f163ca9b9240bf4b37ad92bc7556b40a17e27c2b8ed5c8991385fe07d17d0"


def at(day: int, hour: int = 0, minute: int = 0, second: int = 0, month: int = 3) -> datetime:
    """A moment of 2021, UTC."""
    return datetime(2021, month, day, hour, minute, second, tzinfo=UTC)


def proof(line: int, raw: str, path: str = IIS_LOG) -> EvidenceRef:
    """A line of a log."""
    return EvidenceRef(path, raw, line=line, offset=line * 211, sha256=SHA)


def finding(number: int, title: str, severity: str, when: datetime, **more: object) -> Finding:
    """A finding with all its texts."""
    given = {
        "detection": f"00000000-0000-4000-8000-{number:012d}",
        "confidence": "high",
        "time": when,
        "explanation": "The front end was made to send a request to a back-end address of the caller's choosing. "
        "A server that is up to date does not do this.",
        "benign_causes": ("A vulnerability scan by your own people in the same hour.",),
        "next_steps": ("Look for what the same address did next.", "Keep the log file."),
        "evidence": (
            proof(
                1200 + number,
                "2021-03-03 05:12:33 10.0.0.5 POST /ecp/y.js - 443 - 203.0.113.7 Client/0.0 - 200 0 0 31",
            ),
        ),
    }
    return Finding(id=f"F{number:04d}", title=title, severity=severity, **{**given, **more})  # type: ignore[arg-type]


FINDINGS = (
    finding(
        1,
        "Back-end address forged in an anchor mailbox",
        "high",
        at(3, 5, 12, 33),
        chain="proxylogon",
        stage="attempted",
        techniques=("T1190",),
        subject=Subject(ip="203.0.113.7", url="/ecp/y.js", agent="ExchangeServicesClient/0.0.0.0", status="200"),
    ),
    finding(
        2,
        "ECP log-on by forged request answered",
        "high",
        at(3, 5, 12, 36),
        chain="proxylogon",
        stage="succeeded",
        subject=Subject(ip="203.0.113.7", url="/ecp/proxyLogon.ecp", status="241"),
        evidence=(proof(88, "2021-03-03T05:12:36.101Z,6e1…,15,1,2106,2,,Ecp,mail.example.com,/ecp/y.js", PROXY_LOG),),
    ),
    finding(
        3,
        "Script text in the address of the offline address book",
        "critical",
        at(3, 5, 12, 41),
        chain="proxylogon",
        stage="wrote",
        techniques=("T1505.003",),
        subject=Subject(ip="203.0.113.7", host="MAIL01", extra=(("cmdlet", "Set-OabVirtualDirectory"),)),
    ),
    finding(
        4,
        "Web shell: virtual directory text that holds script",
        "critical",
        at(3, 5, 12, 44),
        chain="proxylogon",
        stage="wrote",
        origin="check",
        detection="web-shell-structure",
        subject=Subject(path=SHELL),
        tags=("rule:web-shell-structure",),
    ),
    *(
        finding(
            10 + index,
            "Requests to a web shell",
            "critical",
            at(3, 6) + timedelta(hours=7 * index, minutes=13 * index),
            chain="proxylogon",
            stage="used",
            detection="00000000-0000-4000-8000-000000000010",
            count=index + 1,
            subject=Subject(ip=("198.51.100.23", "203.0.113.7", "203.0.113.90")[index % 3], url="/aspnet_client/discover.aspx"),
        )
        for index in range(14)
    ),
    finding(
        40,
        "Autodiscover path that reaches the back end",
        "medium",
        at(1, 9, 5, month=2),
        chain="proxyshell",
        stage="probed",
        confidence="low",
        subject=Subject(ip="192.0.2.55", url="https://mail.example.com/autodiscover/autodiscover.json?@example.org"),
    ),
    finding(50, "Memory of the log-on process dumped", "high", at(4, 2, 10), subject=Subject(path="C:\\root\\lsass.dmp")),
    *(
        finding(
            60 + index,
            message("check.rare-page.title", page=f"/owa/auth/page{index}.aspx"),
            "medium",
            at(4, 9 + index),
            detection="rare-page",
            origin="check",
            explanation=message("check.rare-page.explain-unknown", page=f"/owa/auth/page{index}.aspx", clients=index + 1),
            subject=Subject(url=f"/owa/auth/page{index}.aspx"),
        )
        for index in range(2)
    ),
    finding(
        51,
        "Requests by a known vulnerability scanner",
        "info",
        at(2, 11, 0),
        confidence="low",
        subject=Subject(ip="192.0.2.55"),
    ),
)
STEPS = (
    TimelineEntry(at(3, 5, 12, 33), FINDINGS[0].title, FINDINGS[0].subject, ("F0001",), FINDINGS[0].evidence[0]),
    TimelineEntry(at(3, 5, 12, 36), FINDINGS[1].title, FINDINGS[1].subject, ("F0002",), FINDINGS[1].evidence[0]),
    TimelineEntry(at(3, 5, 12, 41), FINDINGS[2].title, FINDINGS[2].subject, ("F0003",)),
    TimelineEntry(at(3, 5, 12, 44), message("timeline.backdoor-written", path=SHELL), Subject(path=SHELL), ("F0004",)),
    TimelineEntry(at(3, 6), FINDINGS[4].title, FINDINGS[4].subject, ("F0010",)),
)


def breached() -> ServerExamination:
    """ProxyLogon down to a used web shell."""
    when = {"first": "2021-03-03T05:12:33Z", "last": "2021-03-07T07:49:00Z"}
    return ServerExamination(
        name="MAIL01",
        product="Exchange Server 2016",
        cumulative_update="CU18",
        security_update="",
        build="15.1.2106.2",
        install_path="C:\\Program Files\\Microsoft\\Exchange Server\\V15",
        build_basis=("setup log", "HttpProxy logs"),
        verdict=Verdict(
            "compromised",
            "high",
            message("verdict.summary.compromised", chain="proxylogon", count=2, **when),
            (
                message("verdict.reason.chain-used", chain="proxylogon", sources="198.51.100.23, 203.0.113.7", **when),
                message("verdict.reason.backdoor-present", path=SHELL, kind="web-shell"),
                message("verdict.reason.backdoor-deleted", path="C:\\inetpub\\wwwroot\\aspnet_client\\x.aspx"),
            ),
            (
                message("verdict.limit.no-event-logs"),
                message("verdict.limit.log-gap", artifact="httpproxy", first="2021-03-10", last="2021-03-12"),
            ),
        ),
        chains=(
            Chain(
                "proxylogon",
                "ProxyLogon",
                ("CVE-2021-26855", "CVE-2021-27065"),
                "used",
                at(3, 5, 12, 33),
                at(7, 7, 49),
                ("203.0.113.7", "198.51.100.23", "203.0.113.90"),
                tuple(one.id for one in FINDINGS[:18]),
                actors=(
                    Actor(("203.0.113.7",), ("ExchangeServicesClient/0.0",), "used", at(3, 5, 12, 33), at(7, 3, 49)),
                    Actor(("198.51.100.23", "203.0.113.90"), (), "used", at(3, 6), at(6, 20, 36)),
                ),
                overlaps=("LuckyMouse (ESET, 2021-03-10): 34.90.207.23",),
                steps=STEPS,
            ),
            Chain(
                "proxyshell",
                "ProxyShell",
                ("CVE-2021-34473",),
                "probed",
                at(1, 9, 5, month=2),
                at(1, 9, 5, month=2),
                ("192.0.2.55",),
                ("F0040",),
            ),
        ),
        findings=FINDINGS,
        backdoors=(
            BackDoor(
                SHELL,
                "web-shell",
                "present",
                SHA,
                "OAB virtual directory",
                at(3, 5, 12, 44),
                at(7, 7, 49),
                ("198.51.100.23", "203.0.113.7", "203.0.113.90"),
                ("F0004", "F0010"),
                105,
                "critical",
            ),
            BackDoor("C:\\inetpub\\wwwroot\\aspnet_client\\x.aspx", "compiled-page", "deleted", first_seen=at(4, 1, 2)),
            BackDoor("/owa/auth/errorEE.aspx", "web-shell", "unknown", used_by=("203.0.113.90",), uses=1),
        ),
        exposure=(
            Exposure(
                "CVE-2021-26855",
                "ProxyLogon",
                "open",
                at(2, 0),
                None,
                ("basis.older-than-fix: 15.1.2106.2 < 15.1.2106.13", "basis.needs: prepare-ad"),
            ),
            Exposure("CVE-2021-34473", "ProxyShell", "open", at(13, 0, month=4), None, ("build 15.1.2106.2",)),
            Exposure("CVE-2020-0688", "", "closed", None, at(11, 0, month=2), ("build",)),
            Exposure("CVE-2022-41040", "ProxyNotShell", "mitigated", at(1), at(9), ("URL rewrite rule",)),
            Exposure("CVE-2024-21410", "", "unknown"),
        ),
        impact=Impact(
            (
                ImpactItem("mailbox-export", "anna@example.com", "known", ("F0003",)),
                ImpactItem("mailbox-read", "3 – 10", "estimated"),
            ),
            (ImpactItem("lsass-dump", "C:\\root\\lsass.dmp", "known", ("F0050",)),),
            (ImpactItem("host", message("impact.bytes-unknown"), "not-determinable"),),
            ImpactItem("bytes-out", "18220113", "estimated"),
        ),
        coverage=(
            Coverage("iis", 48, 1_204_334, 310_223_110, at(1, month=2), at(19, 23, 59), bad=3, lines=1_204_400),
            Coverage(
                "httpproxy",
                310,
                642_000,
                990_000_000,
                at(17, month=2),
                at(19, 23),
                (Gap(at(10), at(12)), Gap(at(14, 3), at(14, 9), "missing-file")),
                unreadable=1,
            ),
            Coverage("ecp-server", 22, 18_221, 9_200_000, at(25, month=2), at(19, 22)),
            Coverage("web-file", 2211, 0, 88_000_000),
            Coverage("event-log", 0, 0, 0),
        ),
        answerable=(
            Answerable(message("question.chain", name="proxylogon"), "yes"),
            Answerable(message("question.credentials"), "partly", (message("missing.event-log"),)),
            Answerable(message("question.lateral-movement"), "no", (message("missing.event-log"), "missing.network")),
        ),
        timeline=(
            *(TimelineEntry(one.time or at(1), one.title, one.subject, (one.id,), one.evidence[0]) for one in FINDINGS),
            TimelineEntry(at(13, 8), message("timeline.update-installed", build="15.1.2106.13")),
        ),
        actions=(
            "Take the server off the internet (443 and 80), but do not shut it down before its memory is saved.",
            "Save the disk, the memory, and every log before anything is changed; hash what you save.",
            f"Save and then remove the back door {SHELL}, and reset the OAB virtual directory.",
            "Reset the passwords of every account that was used on the server since 2021-03-03.",
            "Replace the machine keys of the front end and the back end, and restart the application pools.",
            "Install the current cumulative and security update. If you cannot, keep the server off the internet.",
            "Examine every other Exchange server of the organisation.",
            "Report to the data-protection authority where personal data may be affected (GDPR: within 72 hours).",
        ),
    )


def plain_server(name: str, state: str, confidence: str, **more: object) -> ServerExamination:
    """A server about which there is little to say."""
    summary = message(f"verdict.summary.{state}", chain="proxyshell", first="2021-03-01T00:00:00Z", last="2021-03-19")
    given = {"limits": (message("verdict.limit.no-front-end-logs"), message("verdict.limit.unreadable-files", count=1))}
    return ServerExamination(
        name,
        "Exchange Server 2019",
        "CU8",
        "Mar21SU",
        "15.2.792.10",
        "",
        ("setup log",),
        Verdict(state, confidence, summary, limits=given["limits"] if state == "inconclusive" else ()),
        **more,  # type: ignore[arg-type]
    )


def attacked() -> ServerExamination:
    """Attacks, none of which got through."""
    one = finding(901, "Autodiscover path that reaches the back end", "medium", at(5, 4), chain="proxyshell", stage="attempted")
    return plain_server(
        "MAIL02",
        "attempted",
        "moderate",
        chains=(Chain("proxyshell", "", ("CVE-2021-34473",), "attempted", at(5, 4), at(5, 4), ("192.0.2.9",), (one.id,)),),
        findings=(one,),
        coverage=(Coverage("iis", 20, 100, 1000, at(1), at(19)),),
        timeline=(TimelineEntry(at(5, 4), one.title, one.subject, (one.id,)),),
    )


DETECTIONS = (
    DetectionState("00000000-0000-4000-8000-000000000001", "fired", "Back-end address forged in an anchor mailbox"),
    DetectionState("00000000-0000-4000-8000-000000000900", "quiet", "Transport agent outside the install folder"),
    DetectionState("sigma-windows", "not-applicable", "Service installed", "no log of this kind is read"),
    DetectionState("oab", "evidence-missing", "Download outside the folder", "oab-generator, httpproxy"),
    DetectionState("broken", "failed", "A check that broke", "ZeroDivisionError in line 3"),
)
NOTICES = (
    Notice("MAIL01.zip!C/inetpub/logs/LogFiles/W3SVC1/u_ex210301.log", "line 12", "notice.line-too-long", 3),
    Notice("MAIL01.zip!C/secret.zip", "", "notice.encrypted-member: secret.txt", 1),
    Notice("MAIL02.zip", "", message("notice.truncated", detail="gzip"), 1),
    Notice("MAIL02.zip", "member 3", "A plain reason", 1),
)


def example() -> Examination:
    """Four servers, one of every verdict."""
    return Examination(
        evidence=(
            EvidenceSource("MAIL01.zip", "velociraptor", 2914, 1_390_000_000),
            EvidenceSource("MAIL02", "folder", 31, 20_000_000),
        ),
        servers=(
            breached(),
            attacked(),
            plain_server("MAIL03", "no-evidence", "moderate", coverage=(Coverage("iis", 1, 2, 3, at(1), at(2)),)),
            plain_server("", "inconclusive", "low"),
        ),
        detections=DETECTIONS,
        notices=NOTICES,
    )


def one_server() -> Examination:
    """The breached server alone."""
    whole = example()
    return Examination(whole.evidence[:1], whole.servers[:1], whole.detections, whole.notices)
