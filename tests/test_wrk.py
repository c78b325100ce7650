"""wrk as a cross-check: what it is asked, and how its words are understood."""

import shutil
import socket

import pytest
from truth import requests, response_to, truth

from calcbench.bench.cli.param_types import engine
from calcbench.bench.loadgen.pool import Drivers
from calcbench.bench.loadgen.spec import LoadSpec, ring
from calcbench.bench.loadgen.wrk import lua, need_wrk, understand
from calcbench.bench.schema.evidence import WrkFigures
from calcbench.core.errors import CalcbenchError, UsageError

SAID = """Running 1s test @ http://127.0.0.1:8080/
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     0.91ms    2.02ms  20.31ms   91.05%
    Req/Sec    48.33k     9.07k   59.95k    72.73%
  Latency Distribution
     50%   93.00us
     75%  354.00us
     90%    2.92ms
     99%    1.02s
  53021 requests in 1.10s, 3.79MB read
  Socket errors: connect 1, read 2, write 3, timeout 4
  Non-2xx or 3xx responses: 5
Requests/sec:  48201.12
Transfer/sec:      3.45MB
"""


def test_understands_what_wrk_says() -> None:
    assert understand(SAID) == WrkFigures(
        per_s=48201.12, errors=15, p50_ns=93_000, p99_ns=1_020_000_000
    )
    with pytest.raises(CalcbenchError, match="says nothing of a rate: unable to connect"):
        understand("", "unable to connect\n")


def test_hands_over_every_octet_of_a_request() -> None:
    assert r'{"\071\013\010\000\255\034",' in lua([b'G\r\n\0\xff"', b"x"])


def test_says_where_there_is_no_wrk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(UsageError, match="needs wrk"):
        need_wrk()
    with pytest.raises(UsageError, match="did you mean 'wrk'"):
        engine("wrrk")


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_asks_the_same_server_the_same() -> None:
    seen: set[int] = set()

    def behave(conn: socket.socket) -> None:
        for number in requests(conn):
            seen.add(number)
            conn.sendall(response_to(number))

    with truth(behave) as port, Drivers(engine="wrk") as drivers:
        spec = LoadSpec("127.0.0.1", port, 2, True, 0.1, variety=8)
        observation = drivers.drive(spec)

    assert observation.wrk
    assert observation.wrk.per_s > 0
    assert observation.wrk.errors == 0
    assert seen <= {int(right) for _, right in ring(spec) if right is not None}
