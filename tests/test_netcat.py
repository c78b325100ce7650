"""Our netcat: two of them, one beside the real one, and what goes wrong."""

import os
import pty
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

import pytest
from servers import needs_ipv6

from calcbench.bench.classroom.netcat import Input

pytestmark = pytest.mark.slow
OURS = (sys.executable, "-m", "calcbench", "nc")
REAL = shutil.which("nc")
needs_nc = pytest.mark.skipif(REAL is None, reason="no nc is installed here")
BINARY = bytes(range(256)) * 4096  # a megabyte: more than all buffers between two ends hold


def start(*command: str) -> "subprocess.Popen[bytes]":
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)


@contextmanager
def listening(
    *options: str, host: str = "localhost"
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Yield the port on which a netcat of ours listens, and its process."""
    with start(*OURS, "-lv", *options, host, free_port()) as process:
        assert process.stderr
        try:
            line = process.stderr.readline().decode()  # it listens when it says so
            yield line.split()[-1], process
        finally:
            process.kill()


def free_port() -> str:
    with socket.create_server(("localhost", 0)) as sock:
        return str(sock.getsockname()[1])


def test_passes_on_what_each_end_sends_until_both_have_finished() -> None:
    with listening() as (port, server), start(*OURS, "localhost", port) as client:
        assert server.stdin
        assert server.stdout
        assert client.stdin
        assert client.stdout
        client.stdin.write(b"hello\n")
        assert server.stdout.readline() == b"hello\n"
        client.stdin.close()  # this direction alone
        server.stdin.write(b"heard\n")
        assert client.stdout.readline() == b"heard\n"
        server.stdin.close()

        assert client.stdout.read() == b""
        assert server.stdout.read() == b""
        assert client.wait() == 0
        assert server.wait() == 0


def exchange(
    server: "subprocess.Popen[bytes]", client: "subprocess.Popen[bytes]", data: bytes
) -> None:
    """Have the client send *data*, and then the server."""
    for sender, receiver in ((client, server), (server, client)):
        assert sender.stdin
        assert receiver.stdout
        writing = Thread(target=sender.stdin.write, args=(data,))
        writing.start()
        received = b""
        while len(received) < len(data) and (more := receiver.stdout.read(65536)):
            received += more
        writing.join()
        assert received == data


def test_passes_on_bytes_of_every_kind_and_number() -> None:
    with listening() as (port, server), start(*OURS, "localhost", port) as client:
        exchange(server, client, BINARY)
        client.kill()


@needs_nc
@pytest.mark.parametrize("data", [b"hello\n", BINARY], ids=["a line", "a megabyte"])
def test_listens_for_the_real_one(data: bytes) -> None:
    with (
        listening(host="127.0.0.1") as (port, server),
        start(str(REAL), "127.0.0.1", port) as client,
    ):
        exchange(server, client, data)
        client.kill()


@needs_nc
def test_connects_to_the_real_one() -> None:
    port = free_port()
    with start(str(REAL), "-v", "-l", "127.0.0.1", port) as server:
        assert server.stderr
        server.stderr.readline()
        with start(*OURS, "127.0.0.1", port) as client:
            exchange(server, client, b"hello\n")
            client.kill()
        server.kill()


@needs_ipv6
def test_talks_over_ipv6() -> None:
    with listening(host="::1") as (port, server), start(*OURS, "-v", "::1", port) as client:
        exchange(server, client, b"hello\n")
        client.kill()
        assert client.stderr
        assert client.stderr.read().decode() == f"calcbench nc: connected to ::1 port {port}\n"


def test_sends_crlf_where_it_is_asked_to() -> None:
    read, write = os.pipe()
    source = Input(read, crlf=True)
    came = b""
    for piece in (b"one\ntw", b"o\r\nthree\r", b"\nfour\n\n"):
        os.write(write, piece)
        came += source.read()
    os.close(write)

    assert came == b"one\r\ntwo\r\nthree\r\nfour\r\n\r\n"
    assert source.read() == b""
    os.close(read)


def ended(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [*OURS, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_says_in_one_line_what_is_wrong() -> None:
    port = free_port()
    refused = f"calcbench: cannot connect to 127.0.0.1 port {port}: connection refused\n"
    unknown = "calcbench: unknown host 'no.such.host.invalid'; try 127.0.0.1\n"
    assert ended("127.0.0.1", port) == (1, refused)
    assert ended("no.such.host.invalid", port) == (1, unknown)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, said = ended("-l", "127.0.0.1", port)

    assert (status, said.count("\n")) == (1, 1)
    assert "address already in use" in said


def test_shows_a_terminal_no_commands_of_the_other_end() -> None:
    """A screen that is cleared, or a title that is set, would be the other end's doing."""
    ours, theirs = pty.openpty()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        with subprocess.Popen([*OURS, "127.0.0.1", port], stdin=theirs, stdout=theirs) as client:
            os.close(theirs)
            sock, _ = listener.accept()
            with sock:
                sock.sendall("\x1b[2Jhé\r\nend".encode())
                seen = b""
                while b"end" not in seen:
                    seen += os.read(ours, 1024)
            client.kill()
    os.close(ours)

    assert seen.decode() == "\\x1b[2Jhé\r\nend"


def test_ends_quietly_on_ctrl_c() -> None:
    ours, theirs = pty.openpty()
    command = [*OURS, "-lv", free_port()]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        seen = os.read(ours, 1024)
        process.send_signal(2)
        assert process.wait() == 130
        with suppress(OSError):  # the terminal's other end is gone
            seen += os.read(ours, 1024)
    os.close(ours)

    assert b"listening" in seen
    assert b"Traceback" not in seen
