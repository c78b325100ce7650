"""What becomes of every request, seen from outside."""

import os

import pytest
from client import Client
from servers import make_spec

from calcbench.core.app.application import handle
from calcbench.core.http.connection import Connection
from calcbench.core.http.limits import Policy
from calcbench.core.http.message import Request, Response
from calcbench.core.http.parser import Parser
from calcbench.core.serving.launcher import Server, launch
from calcbench.core.serving.lifecycle import Event, Kind, Trace, make_pipe
from calcbench.core.serving.trace import OF_MORE, SLOT_S, Tracer, traced_connection

GET = b"GET /add/2/3 HTTP/1.1\r\nHost: test\r\n\r\n"
WHOLE = [Kind.FIRST_OCTET, Kind.PARSED, Kind.BEGUN, Kind.HANDLED, Kind.WRITTEN]


class Stage:
    """A traced connection, held as a strategy would."""

    def __init__(self) -> None:
        reading, writing = make_pipe()
        self.writing = writing
        self.trace = Trace(reading)
        self.tracer = Tracer(writing)
        self.handle = self.tracer.handler(handle)
        self.connection = self.connect()

    def connect(self) -> Connection:
        return traced_connection(self.tracer)(Parser(Policy()), lambda: b"")

    def serve(self, data: bytes) -> None:
        """Feed *data*, respond to what it completes, and send all of it."""
        request = self.connection.feed(data)
        while request is not None:
            self.connection.respond(self.handle(request))
            request = self.connection.next_request()
        if self.connection.output:
            self.connection.sent(len(self.connection.output))

    def kinds(self) -> list[tuple[int, Kind]]:
        return [(event.request, event.kind) for event in self.trace.read()]

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self.trace.close()
        os.close(self.writing)


def test_tells_every_step_of_a_request_in_order() -> None:
    with Stage() as stage:
        stage.serve(GET)
        stage.serve(GET)

        expected = [(number, kind) for number in (1, 2) for kind in WHOLE]
        assert stage.kinds() == [(0, Kind.OPENED), *expected]


@pytest.mark.parametrize("cut", range(1, len(GET)))
def test_tells_when_the_first_octet_of_a_request_has_come(cut: int) -> None:
    with Stage() as stage:
        stage.serve(GET[:cut])
        stage.connection.time_left(0.0)

        assert stage.kinds() == [(0, Kind.OPENED), (1, Kind.FIRST_OCTET)]
        stage.serve(GET[cut:])
        assert stage.kinds() == [(1, kind) for kind in WHOLE[1:]]


def test_tells_of_pipelined_requests_one_by_one() -> None:
    with Stage() as stage:
        stage.serve(GET * 3 + GET[:9])
        told = stage.kinds()

        assert [kind for number, kind in told if number == 2] == WHOLE
        assert [kind for number, kind in told if number == 3] == WHOLE
        stage.serve(GET[9:])
        told += stage.kinds()
        assert [kind for number, kind in told if number == 4] == WHOLE


def test_tells_of_a_request_that_is_handled_while_the_one_before_is_written() -> None:
    with Stage() as stage:
        connection = stage.connection
        request = connection.feed(GET * 2)
        assert request
        connection.respond(stage.handle(request))
        request = connection.next_request()
        assert request
        response = stage.handle(request)
        connection.sent(len(connection.output))
        connection.respond(response)
        connection.sent(len(connection.output))

        assert [kind for number, kind in stage.kinds() if number == 2] == WHOLE


def test_tells_that_a_handler_has_begun_before_it_is_done() -> None:
    with Stage() as stage:

        def slow(request: Request) -> Response:
            assert stage.kinds()[-1] == (1, Kind.BEGUN)
            return Response(200)

        request = stage.connection.feed(GET)
        assert request
        stage.tracer.handler(slow)(request)


def test_tells_of_a_client_that_does_not_read() -> None:
    with Stage() as stage:
        request = stage.connection.feed(GET)
        assert request
        stage.connection.respond(stage.handle(request))
        stage.connection.sent(1)
        stage.connection.time_left(0.0)

        assert stage.kinds()[-1] == (1, Kind.HANDLED)
        stage.connection.sent(len(stage.connection.output))
        assert stage.kinds() == [(1, Kind.WRITTEN)]


def test_tells_of_a_refused_request_and_of_the_end() -> None:
    with Stage() as stage:
        stage.serve(b"nonsense\r\n\r\n")
        stage.connection.feed(b"")

        assert stage.connection.finished
        assert stage.connection.finished
        assert stage.kinds() == [
            (0, Kind.OPENED),
            (1, Kind.FIRST_OCTET),
            (1, Kind.WRITTEN),
            (0, Kind.CLOSED),
        ]


def test_is_silent_about_a_connection_of_which_nothing_was_told() -> None:
    with Stage() as stage:
        stage.connection.abort()

        assert stage.connection.finished
        assert stage.kinds() == []


def test_traces_one_of_several_where_there_are_many() -> None:
    with Stage() as stage:
        tracer, began = stage.tracer, stage.tracer.slot_began
        stage.serve(GET)
        assert len(stage.trace.read()) == 1 + len(WHOLE)
        tracer.seen = round(11 * OF_MORE * SLOT_S)  # as in a flood
        stage.connection.time_left(began + SLOT_S)
        for _ in range(110):
            stage.serve(GET)
        told = stage.trace.read()

        assert {event.share for event in told} == {11}
        assert [event.kind for event in told] == 10 * WHOLE
        stage.connection.time_left(began + 100 * SLOT_S)  # when few have come for a while
        stage.serve(GET)
        assert [event.share for event in stage.trace.read()] == [1] * len(WHOLE)


def test_loses_what_nobody_reads_and_goes_on() -> None:
    with Stage() as stage:
        for _ in range(20_000):
            stage.serve(GET)
        told = stage.trace.read()

        assert 0 < len(told) < 100_000
        assert all(type(event) is Event for event in told)


def events_of(server: Server) -> list[Event]:
    """Return what is told of two clients, one of which asks twice; *server* is stopped."""
    with Client(server) as first:
        assert first.get("/add/2/3").body == b"5"
        assert first.get("/add/2/3", "Connection: close").body == b"5"
        assert first.is_closed()
    with Client(server) as second:
        assert second.get("/add/2/3").body == b"5"
    server.stop()
    assert server.trace
    return server.trace.read()


def test_tells_of_every_strategy(strategy: str) -> None:
    with launch(make_spec(strategy, traced=True, watched=True)) as server:
        events = events_of(server)
        assert server.watch
        assert sum(worker.responses for worker in server.watch.workers()) == 3

    told = {
        (number, request): [
            event.kind
            for event in events
            if event.connection == number and event.request == request
        ]
        for number, request in ((1, 1), (1, 2), (2, 1))
    }
    assert all(kinds == WHOLE for kinds in told.values()), told
    assert next(event.kind for event in events if event.connection == 1) is Kind.OPENED
    assert {event.share for event in events} == {1}


def test_names_the_process_of_a_forked_child() -> None:
    with launch(make_spec("fork", traced=True)) as server:
        events = events_of(server)
        pids = {event.pid for event in events if event.request}

    assert len(pids) == 2
    assert server.pid not in pids


def test_pays_nothing_when_nobody_watches() -> None:
    with launch(make_spec("blocking")) as server:
        assert server.trace is None


def test_leaves_no_descriptor_behind() -> None:
    with launch(make_spec("blocking", traced=True)) as server:
        assert server.trace
        assert server.trace.fd >= 0
        server.stop()

    assert server.trace.fd < 0
    assert server.trace.read() == []
