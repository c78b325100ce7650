"""What a server serves: how it converses with a client, and how it answers a request."""

from collections.abc import Callable
from dataclasses import dataclass

from calcbench.core import application
from calcbench.core.connection import Connection
from calcbench.core.date import DateLine
from calcbench.core.http import Parser, Request, Response
from calcbench.core.policy import Policy
from calcbench.core.workload import Workload, burden


@dataclass(frozen=True)
class Service:
    """The two things that a strategy is given to put together.

    `connect()` begins the conversation with one client. `handle(request)` computes one answer,
    and may be called on any thread, in any process, now or later.
    """

    connect: Callable[[], Connection]
    handle: Callable[[Request], Response]


def make_service(
    policy: Policy,
    workload: Workload,
    cpu_units: int = 0,
    connection: type[Connection] = Connection,
) -> Service:
    """Return the calculator under *policy*, each answer of it burdened with *workload*.

    *connection* may be a kind that watches: no strategy knows, and nothing is paid otherwise.
    """
    parser, date_line = Parser(policy), DateLine()
    return Service(
        connect=lambda: connection(parser, date_line),
        handle=burden(application.handle, workload, cpu_units),
    )
