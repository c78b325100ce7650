"""Somebody else's servers as the subject: where they are, what they are asked, what is right."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from calcbench.bench.diagnosis.evidence import ServerWatch
from calcbench.bench.diagnosis.failures import failure_reason_of_responses
from calcbench.bench.loadgen.spec import Ask, load_spec_of
from calcbench.bench.runner.subject import Setup, Subject, conclude, drive, failed
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.plan import CLOSE
from calcbench.bench.schema.result import Measurement
from calcbench.bench.system.usage import Life
from calcbench.bench.units import as_text
from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.http.parser import TCHAR
from calcbench.core.serving.sockets import in_url

TOKEN = re.compile(f"{TCHAR.decode()}+")
VALUE = re.compile(r"[\t -~\x80-\xff]*")  # §5.5
PATH = re.compile(r"[!-~]+")
WITH_BODY = ("POST", "PUT", "PATCH")  # a length is sent even for an empty body (§8.6)
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
        return f"{self.method} with {len(self.body):,} bytes" if self.body else self.method

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
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{url!r} is no URL: {error}") from None
    if parts.scheme != "http":
        what = f"of scheme {parts.scheme!r}" if parts.scheme and "://" in url else "without http://"
        raise UsageError(f"URL {url!r} {what}: only plain HTTP is driven, as in http://host:8080/")
    if not parts.hostname:
        raise UsageError(f"URL {url!r} names no host, as http://host:8080/ does")
    if not parts.hostname.isascii():
        raise UsageError(f"URL {url!r} should have its host in ASCII, as xn--… of IDNA")
    if parts.username is not None:
        raise UsageError(f"URL {url!r} has a user: say -H 'Authorization: …' instead")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not PATH.fullmatch(path):
        raise UsageError(f"URL {url!r} should have its path percent-encoded")
    if unix and not Path(unix).exists():
        raise UsageError(f"no Unix socket {unix!r}")
    host = in_url(parts.hostname)
    where = f"unix:{as_text(Path(unix).name)}" if unix else f"{host}:{port}" if port else host
    return Target(f"{where}{path}", parts.hostname, port or 80, path, unix)


def parse_header_options(texts: Sequence[str]) -> tuple[str, ...]:
    """Return header fields like ``Accept: text/html`` if they are well-formed; raises UsageError.

    What frames a request is ours to say.
    """
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not TOKEN.fullmatch(name) or not VALUE.fullmatch(value):
            raise UsageError(f"header {text!r} should be like 'Accept: text/html'")
        if name.lower() in FRAMING:
            raise UsageError(f"header {name!r} is not yours to set: see --body and --reuse")
    return tuple(texts)


def ask_of(question: Question, target: Target, reuse: str) -> Ask:
    """Return *question* as octets for *target*; *reuse* is one of the plan's ways to connect."""
    names = [field.partition(":")[0].lower() for field in question.fields]
    host = in_url(target.host)
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
    """Return *targets* as a subject, which go by their labels."""

    def measure(setup: Setup, condition: Condition, number: int, step: int) -> Measurement:
        return measure_target(setup, condition, number, step, targets[condition.variant], question)

    options = {label: question.recorded(target) for label, target in targets.items()}
    return Subject(measure, options)


def measure_target(
    setup: Setup,
    condition: Condition,
    number: int,
    step: int,
    target: Target,
    question: Question,
) -> Measurement:
    """Return the measurement of *target* under *condition* in round *number*.

    Nothing is known of the server but its responses: it is not ours to watch. Raises CalcbenchError
    only when the samples cannot be written.
    """
    spec = load_spec_of(
        setup.plan,
        condition,
        host=target.host,
        port=target.port,
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
