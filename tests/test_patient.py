"""A server for people who type: bare line feeds end lines in heads, and nowhere else."""

import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner
from client import Client
from conversation import cases

from calcbench.bench.cli.main import cli
from calcbench.core.errors import UsageError
from calcbench.core.http.connection import Connection
from calcbench.core.http.limits import Policy
from calcbench.core.http.message import Request, Response
from calcbench.core.http.parser import Parser
from calcbench.core.http.patient import DEADLINES, patient_connection
from calcbench.core.options import parse_options
from calcbench.core.serving.launcher import ServerSpec, launch

Patient = patient_connection(Connection)
GET = b"GET /add/2/3 HTTP/1.1\nHost: me\n\n"


def requests_of(
    data: bytes, pieces: int, kind: type[Connection] = Patient
) -> tuple[list[bytes], bytes]:
    """Return path and body of each request in *data*, fed in *pieces* bytes, and what is said."""
    connection = kind(Parser(Policy()), lambda: b"Date: now\r\n")
    seen: list[bytes] = []

    def take(request: Request | None) -> None:
        while request is not None:
            seen.append(request.path + b" " + request.body)
            connection.respond(Response(200, b"ok"))
            connection.sent(len(connection.output))
            request = connection.next_request()

    for at in range(0, len(data), pieces):
        take(connection.feed(data[at : at + pieces]))
    return seen, connection.output


BODY = b"one\ntwo\r\n\nthree\n\n"
POST = b"POST /calc HTTP/1.1\nHost: me\r\nContent-Length: %d\n\n%b" % (len(BODY), BODY)


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (GET, [b"/add/2/3 "]),
        (GET.replace(b"\n", b"\r\n"), [b"/add/2/3 "]),
        (b"\n\n" + GET + b"\n" + GET, [b"/add/2/3 ", b"/add/2/3 "]),
        (GET.replace(b"me\n", b"me\r\n"), [b"/add/2/3 "]),
        (POST + GET, [b"/calc " + BODY, b"/add/2/3 "]),
    ],
    ids=["bare LF", "CRLF", "empty lines before", "both", "a body between"],
)
def test_takes_a_bare_lf_for_a_line_end_in_heads_alone(
    data: bytes, seen: list[bytes], pieces: int
) -> None:
    assert requests_of(data, pieces) == (seen, b"")


def test_is_as_strict_as_ever_otherwise() -> None:
    strict = [case.octets for case in cases() if b"\n" not in case.octets.replace(b"\r\n", b"")]

    assert len(strict) > 100
    for data in strict:
        assert requests_of(data, 1000) == requests_of(data, 1000, Connection), data


def test_leaves_the_strict_connection_alone() -> None:
    seen, said = requests_of(GET, 1000, Connection)

    assert seen == []
    assert said.startswith(b"HTTP/1.1 400 ")


def test_waits_for_a_day() -> None:
    policy: Policy = parse_options(Policy, [f"{name}={text}" for name, text in DEADLINES.items()])
    connection = Patient(Parser(policy), lambda: b"")
    connection.feed(b"GET ")

    assert connection.time_left(0) == 86_400


@pytest.mark.slow
def test_serves_who_types() -> None:
    with launch(ServerSpec("selectors", patient=True, watched=True)) as server:
        with Client(server) as client:
            client.send(GET)
            assert client.response().body == b"5"
        assert server.stop().clean


@pytest.mark.slow
def test_says_loudly_what_it_is_not_for() -> None:
    command = [sys.executable, "-m", "calcbench", "serve", "--strategy", "blocking", "--patient"]
    command += ["--port", "0", "--idle-timeout", "60"]  # what is given counts
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port = int(process.stdout.readline().rpartition(":")[2])
        said = process.stdout.readline()
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(GET)
            assert sock.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
        process.terminate()
        assert process.wait() == 0

    assert said == "calcbench: PATIENT: for typing by hand, not for a network or a measurement\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_is_for_this_machine_alone(host: str) -> None:
    line = ["serve", "--strategy", "blocking", "--patient", "--host", host]
    done = CliRunner().invoke(cli, line, standalone_mode=False)

    assert isinstance(done.exception, UsageError)
    assert "this machine alone" in str(done.exception)
