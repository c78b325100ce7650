"""What a response costs, where each request says so itself."""

import pytest

from calcbench.core.app import application
from calcbench.core.app.workload import parse_workload, with_workload
from calcbench.core.http.limits import Policy
from calcbench.core.http.parser import Parser


def ask(query: str) -> tuple[int, float, bytes]:
    """Return what a server of the workload ``asked`` makes of *query*: status, wait, body."""
    handle = with_workload(application.handle, parse_workload("asked"))
    request = Parser(Policy()).parse_whole_head(
        f"GET /add/2/3{query} HTTP/1.1\r\nHost: test\r\n\r\n".encode(), None
    )
    assert request
    response = handle(request)
    return response.status, response.wait, response.body


@pytest.mark.parametrize(("query", "wait"), [("", 0), ("?", 0), ("?wait=20ms", 0.02)])
def test_a_request_costs_what_it_asks_for(query: str, wait: float) -> None:
    assert ask(query) == (200, wait, b"5")


@pytest.mark.parametrize("query", ["?block=1us", "?cpu=1us", "?add"])
def test_a_request_may_ask_for_any_workload(query: str) -> None:
    assert ask(query) == (200, 0, b"5")


@pytest.mark.parametrize(
    "query", ["?wait", "?wait=9", "?asked", "?wait=11s", "?%FF", "?sleep=1s", "?wait=1s&cpu=1s"]
)
def test_a_request_that_asks_for_something_else_is_refused(query: str) -> None:
    status, _, body = ask(query)

    assert status == 400
    assert body
