"""A loop over select, which waits for a whole request."""

import contextlib
import json
import select
import socket
import sys

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
    """Serve one request, and tell whether the client stays."""
    received = b""
    while b"\r\n\r\n" not in received:
        if not (data := sock.recv(1)):
            return False
        received += data
    head = received[:-4]
    body = b""
    while len(body) < length_of(head):
        body += sock.recv(length_of(head) - len(body))
    sock.sendall(answer(head, body))
    return b"connection: close" not in head.lower() and b"HTTP/1.0" not in head


with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128) as listener:
    socks = [listener]
    while True:
        for sock in select.select(socks, [], [])[0]:
            if sock is listener:
                with contextlib.suppress(OSError):
                    socks.append(listener.accept()[0])
                continue
            stays = False
            with contextlib.suppress(OSError):
                stays = converse(sock)
            if not stays:
                socks.remove(sock)
                sock.close()
