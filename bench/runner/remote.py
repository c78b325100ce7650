"""Somebody else's servers as the subject: where they are, what they are asked, what is right."""

import errno
import os
import re
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from calcbench.bench.diagnosis.evidence import ServerWatch
from calcbench.bench.diagnosis.failures import failure_reason_of_responses
from calcbench.bench.loadgen.driver.address import numeric, reachable_address
from calcbench.bench.loadgen.spec import Ask, load_spec_of, without_zone
from calcbench.bench.runner.subject import Setup, Subject, conclude, drive, failed
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.plan import CLOSE
from calcbench.bench.schema.result import Measurement
from calcbench.bench.system.usage import Life
from calcbench.bench.units import as_text, format_count
from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.http.parser import TCHAR
from calcbench.core.serving.sockets import in_url

TOKEN = re.compile(f"{TCHAR.decode()}+")
VALUE = re.compile(r"[\t -~\x80-\xff]*")  # §5.5
PATH = re.compile(r"[!-~]+")
HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=-]+")  # RFC 3986 §3.2.2, nothing percent-encoded
IN_BRACKETS = re.compile(r"\[[^][]*\](:.*)?")  # before Python 3.13 nobody else looks beside them
ZONE = re.compile(r"[A-Za-z0-9._~-]+")  # RFC 6874 §2; so are the interfaces of a machine called
WITH_BODY = ("POST", "PUT", "PATCH")  # a length is sent even for an empty body (§8.6)
# Bytes of a path in a sockaddr_un, with a zero behind them: unix(7) of Linux, unix(4) elsewhere.
LONGEST_UNIX = 107 if sys.platform == "linux" else 103
FRAMING = ("content-length", "transfer-encoding", "connection")


@dataclass(frozen=True)
class Target:
    """One URL: *label* is its name in a result; with *unix* it is asked over that Unix socket."""

    label: str
    host: str
    port: int
    path: str
    unix: str = ""


@dataclass(frozen=True)
class Question:
    """What all targets are asked; *fields* are texts like ``Accept: text/html``.

    *status* 0 takes any response from 200 to 399, *right_body* None any body.
    """

    method: str = "GET"
    fields: tuple[str, ...] = ()
    body: bytes = b""
    status: int = 0
    right_body: bytes | None = None

    @property
    def name(self) -> str:
        """What a table calls it."""
        size = format_count(len(self.body), "byte")
        return f"{self.method} with {size}" if self.body else self.method

    def recorded(self, target: Target) -> dict[str, Any]:
        """Return what a result says of asking *target* this; no secrets of header fields."""
        return {
            "method": self.method,
            "path": target.path,
            "fields": [field.partition(":")[0] for field in self.fields],
            "body_octets": len(self.body),
            "expect": self.status or "200-399",
            "expect_body": self.right_body is not None,
        }


def parse_target(url: str, unix: str = "") -> Target:
    """Return the target that *url* names, over the Unix socket *unix* if any; raises UsageError."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UsageError(f"{url!r} is no URL: {error}") from None
    if parts.scheme != "http":
        what = f"of scheme {parts.scheme!r}" if parts.scheme and "://" in url else "without http://"
        raise UsageError(f"URL {url!r} {what}: only plain HTTP is driven, as in http://host:8080/")
    if parts.username is not None:
        raise UsageError("a URL with a user or a password: use -H 'Authorization: ...' instead")
    if not parts.hostname:
        raise UsageError(f"URL {url!r} names no host, as http://host:8080/ does")
    if "[" in parts.netloc and not IN_BRACKETS.fullmatch(parts.netloc):
        raise UsageError(f"URL {url!r} has text beside its brackets that is no :port")
    host, port = host_of(url, parts.hostname), port_of(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not PATH.fullmatch(path):
        raise UsageError(f"URL {url!r} should have its path percent-encoded")
    if unix:
        check_unix_socket(unix)
    shown = in_url(host)
    where = f"unix:{as_text(Path(unix).name)}" if unix else f"{shown}:{port}" if port else shown
    return Target(f"{where}{path}", host, port or 80, path, unix)


def host_of(url: str, host: str) -> str:
    """Return the *host* of *url*, the zone of an IPv6 address decoded; raises UsageError."""
    if not host.isascii():
        raise UsageError(f"URL {url!r} should have its host in ASCII, as xn--… of IDNA")
    if ":" in host:
        address, percent, zone = host.partition("%")
        zone = zone.removeprefix("25")  # RFC 6874: its % is written %25
        if percent and not ZONE.fullmatch(zone):
            raise UsageError(f"URL {url!r} should have its zone like http://[fe80::1%25eth0]/")
        return address + (percent and f"%{zone}")
    if not HOST.fullmatch(host):
        raise UsageError(f"URL {url!r} has a host that cannot be the name of one")
    return host


def port_of(url: str) -> int:
    """Return the port that *url* names, 0 where it names none; raises UsageError."""
    try:
        port = urlsplit(url).port
    except ValueError:
        port = 0
    if port == 0:
        raise UsageError(f"URL {url!r} should have a port from 1 to 65,535")
    return port or 0


def check_unix_socket(path: str) -> None:
    """Raise UsageError where *path* is no Unix socket that can be connected to."""
    shown = repr(as_text(path))
    if len(os.fsencode(path)) > LONGEST_UNIX:
        raise UsageError(f"--unix-socket {shown} has more than the {LONGEST_UNIX} bytes allowed")
    try:
        is_socket = stat.S_ISSOCK(Path(path).stat().st_mode)
    except OSError as error:
        raise UsageError(f"no Unix socket {shown}: {error.strerror}") from None
    if not is_socket:
        raise UsageError(f"{shown} is not a Unix socket")
    if not os.access(path, os.W_OK):  # unix(7): who connects must be allowed to write
        raise UsageError(f"no Unix socket {shown}: {os.strerror(errno.EACCES)}")


def parse_header_options(texts: Sequence[str]) -> tuple[str, ...]:
    """Return header fields like ``Accept: text/html`` if they are well-formed; raises UsageError.

    What frames a request is ours to say.
    """
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not TOKEN.fullmatch(name) or not VALUE.fullmatch(value):
            raise UsageError(f"header {text!r} should be like 'Accept: text/html'")
        if name.lower() in FRAMING:
            raise UsageError(f"header {name!r} cannot be set here: see --body and --reuse")
    return tuple(texts)


def ask_of(question: Question, target: Target, reuse: str) -> Ask:
    """Return *question* as octets for *target*; *reuse* is one of the plan's ways to connect."""
    names = [field.partition(":")[0].lower() for field in question.fields]
    host = in_url(without_zone(target.host))
    lines = [f"{question.method} {target.path} HTTP/1.1"]
    if "host" not in names:
        lines.append(f"Host: {host}" if target.port == 80 else f"Host: {host}:{target.port}")
    lines += question.fields
    if question.body or question.method in WITH_BODY:
        lines.append(f"Content-Length: {len(question.body)}")
    if reuse == CLOSE:
        lines.append("Connection: close")
    head = "\r\n".join([*lines, "", ""])
    right = question.right_body
    return Ask(
        head + question.body.decode("latin-1"),
        question.method,
        question.status,
        None if right is None else right.decode("latin-1"),
    )


def among_targets(targets: dict[str, Target], question: Question) -> Subject:
    """Return *targets* as a subject, which go by their labels.

    Which of its addresses each is asked at is decided here, once for all of its measurements.
    """
    addresses = {label: address_of(target) for label, target in targets.items()}

    def measure(setup: Setup, condition: Condition, number: int, step: int) -> Measurement:
        label = condition.variant
        return measure_target(
            setup, condition, number, step, targets[label], question, addresses[label]
        )

    options = {
        label: question.recorded(target) | {"address": addresses[label] or None}
        for label, target in targets.items()
    }
    return Subject(measure, options)


def address_of(target: Target) -> str:
    """Return the address of *target* that is asked, or nothing: then its drivers say what is wrong.

    A Unix socket has none but its path.
    """
    if target.unix:
        return ""
    try:
        return numeric(reachable_address(target.host, target.port))
    except OSError:
        return ""


def measure_target(
    setup: Setup,
    condition: Condition,
    number: int,
    step: int,
    target: Target,
    question: Question,
    address: str = "",
) -> Measurement:
    """Return the measurement of *target* under *condition* in round *number*.

    It is asked at *address*, one of those that its host has, if that is known. Nothing is known of
    the server but its responses: it is not ours to watch. Raises CalcbenchError only when the
    samples cannot be written.
    """
    spec = load_spec_of(
        setup.plan,
        condition,
        host=target.host,
        port=target.port,
        address=address,
        unix=target.unix,
        ask=ask_of(question, target, condition.reuse),
    )
    try:
        with setup.drivers() as drivers:
            observation = drive(drivers, spec)
    except (CalcbenchError, OSError) as error:
        return failed(condition, number, error)
    unseen = ServerWatch((), (), Life(0, 0, 0))
    reason = failure_reason_of_responses(observation)
    return conclude(setup, condition, number, step, observation, unseen, reason)
