"""A socket with a timeout, and send in place of sendall."""

import contextlib
import json
import select
import socket
import sys
import threading
import time

OPERATIONS = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mult": lambda a, b: a * b}


def answer(head, body=b""):
    """Return the response to a request, as bytes."""
    try:
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        if (method, path) == ("POST", "/calc"):
            given = json.loads(body)
            text = json.dumps({"result": OPERATIONS[given["op"]](given["arg1"], given["arg2"])})
        else:
            _, name, left, right = path.split("/")
            text = str(OPERATIONS[name](int(left), int(right)))
        status = "200 OK"
    except (KeyError, ValueError):
        status, text = "404 Not Found", "try /add/2/3"
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


def length_of(head):
    """Return the length of the body that *head* announces."""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


def converse(sock):
    """Serve one client until it leaves."""
    received = b""
    sock.setblocking(False)
    with sock, contextlib.suppress(OSError):
        while True:
            while b"\r\n\r\n" not in received:
                if not (data := receive(sock)):
                    return
                received += data
            head, _, received = received.partition(b"\r\n\r\n")
            while len(received) < length_of(head):
                if not (data := receive(sock)):
                    return
                received += data
            body, received = received[: length_of(head)], received[length_of(head) :]
            sock.send(answer(head, body))
            if b"connection: close" in head.lower() or b"HTTP/1.0" in head:
                return


def receive(sock):
    """Return what comes next."""
    select.select([sock], [], [])
    return sock.recv(4096)


with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128) as listener:
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:  # no descriptor is left, or the client is gone
            time.sleep(0.05)
            continue
        threading.Thread(target=converse, args=(sock,), daemon=True).start()
