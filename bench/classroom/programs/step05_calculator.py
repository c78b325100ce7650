"""Step 5: the calculator. GET /add/2/3 gives 5."""

import operator
import socket
import sys

OPERATIONS = {"add": operator.add, "sub": operator.sub, "mult": operator.mul}


def calculate(path):
    """Return the status and the text that answer a path such as /add/2/3."""
    # - # TODO: split the path at its slashes: an empty part, the name, two numbers. Return
    # - # "200 OK" and the result; "404 Not Found" when the name is not in OPERATIONS or
    # - # there are more or fewer parts; "400 Bad Request" when `int` raises ValueError.
    # - return "200 OK", "5"
    parts = path.split("/")  # +
    if len(parts) != 4 or parts[1] not in OPERATIONS:  # +
        return "404 Not Found", "try /add/2/3"  # +
    try:  # +
        result = OPERATIONS[parts[1]](int(parts[2]), int(parts[3]))  # +
    except ValueError:  # +
        return "400 Bad Request", "give two whole numbers, as in /add/2/3"  # +
    return "200 OK", str(result)  # +


def serve(sock):
    """Receive the head of a request, up to the empty line, and respond."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = sock.recv(4096)
        if not data:
            return
        received += data
    request_line = received.decode("latin-1").partition("\r\n")[0]
    method, path, version = request_line.split(" ")
    status, text = calculate(path)
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    sock.sendall(head.encode() + text.encode())


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
