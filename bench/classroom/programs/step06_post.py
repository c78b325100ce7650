"""Step 6: POST /calc. The numbers come in a body, and a body has a length."""

import json
import operator
import socket
import sys

OPERATIONS = {"add": operator.add, "sub": operator.sub, "mult": operator.mul}


def respond(method, path, body):
    """Return the status and the text that answer a request."""
    try:
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


def serve(sock):
    """Receive a request, its head and its body, and respond."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += receive(sock)
    head, _, body = received.partition(b"\r\n\r\n")
    request_line, *fields = head.decode("latin-1").split("\r\n")
    length = 0
    for field in fields:
        if field.lower().startswith("content-length:"):
            length = int(field.partition(":")[2])
    # - # TODO: `body` is what happened to come along with the head. Receive more until
    # - # it has `length` bytes.
    while len(body) < length:  # +
        body += receive(sock)  # +
    method, path, version = request_line.split(" ")
    status, text = respond(method, path, body)
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    sock.sendall(head.encode() + text.encode())


def receive(sock):
    """Return the next bytes of a client; raise ConnectionError when it has left."""
    if data := sock.recv(4096):
        return data
    raise ConnectionError("the client has left")


port = int(sys.argv[1]) if sys.argv[1:] else 1234

with socket.create_server(("localhost", port)) as listener:
    print("listening on port", port)
    while True:
        sock, address = listener.accept()
        try:
            with sock:
                serve(sock)
        except (ConnectionError, ValueError) as error:  # gone away, or not HTTP
            print("lost:", address, error)
