"""Step 7: stay alive. One connection, many requests."""

import json
import operator
import re
import socket
import sys
from contextlib import suppress

OPERATIONS = {"add": operator.add, "sub": operator.sub, "mult": operator.mul}


def respond(head, body):
    """Return the status and the text that answer a request."""
    try:
        method, path, version = head.partition("\r\n")[0].split(" ")
        if (method, path) == ("POST", "/calc"):
            given = json.loads(body)
            result = OPERATIONS[given["op"]](given["arg1"], given["arg2"])
            return "200 OK", json.dumps({"result": result})
        parts = path.split("/")
        if len(parts) != 4 or parts[1] not in OPERATIONS:
            return "404 Not Found", "try /add/2/3"
        return "200 OK", str(OPERATIONS[parts[1]](int(parts[2]), int(parts[3])))
    except (KeyError, TypeError, ValueError):
        return "400 Bad Request", "try /add/2/3"


def take_request(received):
    """Return the first request, head and body, and what is behind it; None if it is not whole."""
    head, end, rest = received.partition(b"\r\n\r\n")
    found = re.search(rb"\ncontent-length: *(\d+)", head.lower())
    length = int(found[1]) if found else 0
    if not end or len(rest) < length:
        return None
    return head.decode("latin-1"), rest[:length], rest[length:]


def serve(sock):
    """Serve one client until it leaves."""
    received = b""
    with sock, suppress(ConnectionError):  # that it leaves in the middle is nothing special
        while True:
            while not (taken := take_request(received)):
                if not (data := sock.recv(4096)):
                    return
                received += data
            head, body, received = taken
            status, text = respond(head, body)
            response = f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n{text}"
            sock.sendall(response.encode())
            # - # TODO: stay, and leave only when the client says "connection: close" in its head
            # - # (field names and this word may be in capitals: look at head.lower()).
            # - return
            if "connection: close" in head.lower():  # +
                return  # +


port = int(sys.argv[1]) if sys.argv[1:] else 1234

with socket.create_server(("localhost", port)) as listener:
    print("listening on port", port)
    while True:
        sock, address = listener.accept()
        serve(sock)
