"""What a server serves: how a conversation begins, and how a request gets its response."""

from collections.abc import Callable
from dataclasses import dataclass

from calcbench.core.app import application
from calcbench.core.app.workload import Workload, with_workload
from calcbench.core.http.connection import Connection
from calcbench.core.http.limits import Policy
from calcbench.core.http.message import Request, Response
from calcbench.core.http.parser import Parser
from calcbench.core.http.render import DateLine
from calcbench.core.serving.failure import guard


@dataclass(frozen=True)
class Service:
    """What a strategy is given to put together.

    `connect()` begins the conversation with one client. `handle(request)` computes one response,
    and may be called on any thread, in any process, now or later; it raises nothing.
    *max_connections* is for strategies whose threads or processes do not limit them.
    """

    connect: Callable[[], Connection]
    handle: Callable[[Request], Response]
    max_connections: int = Policy.max_connections


def make_service(
    policy: Policy,
    workload: Workload,
    cpu_units: int = 0,
    connection: type[Connection] = Connection,
    handle: Callable[[Request], Response] = application.handle,
) -> Service:
    """Return the calculator under *policy*, each response of it at the cost of *workload*.

    *handle* may stand in for the calculator.
    *connection* may be a kind that watches: no strategy knows, and nothing is paid otherwise.
    """
    parser, date_line = Parser(policy), DateLine()
    return Service(
        connect=lambda: connection(parser, date_line, application.wants_body),
        handle=guard(with_workload(handle, workload, cpu_units)),
        max_connections=policy.max_connections,
    )
