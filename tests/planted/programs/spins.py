"""It asks every client again and again."""

import contextlib
import json
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


def converse(sock, received):
    """Take what is here; return what is left over, None when the client leaves."""
    try:
        data = sock.recv(4096)
    except BlockingIOError:
        return received
    if not data:
        return None
    received += data
    while b"\r\n\r\n" in received:
        head, _, rest = received.partition(b"\r\n\r\n")
        if len(rest) < length_of(head):
            return received
        body, received = rest[: length_of(head)], rest[length_of(head) :]
        sock.setblocking(True)
        sock.sendall(answer(head, body))
        sock.setblocking(False)
        if b"connection: close" in head.lower() or b"HTTP/1.0" in head:
            return None
    return received


with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128) as listener:
    listener.setblocking(False)
    clients = {}
    while True:
        with contextlib.suppress(OSError):
            sock, _ = listener.accept()
            sock.setblocking(False)
            clients[sock] = b""
        for sock in list(clients):
            left = None
            with contextlib.suppress(ConnectionError):
                left = converse(sock, clients[sock])
            if left is None:
                del clients[sock]
                sock.close()
            else:
                clients[sock] = left
