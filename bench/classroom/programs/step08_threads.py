"""Step 8: a thread for each client. GET alone, so that it fits on a screen."""

import operator
import socket
import sys
from contextlib import suppress
from threading import Thread

OPERATIONS = {"add": operator.add, "sub": operator.sub, "mult": operator.mul}


def respond(head):
    """Return the status and the text that answer a request."""
    try:
        method, path, version = head.partition("\r\n")[0].split(" ")
        parts = path.split("/")
        if len(parts) != 4 or parts[1] not in OPERATIONS:
            return "404 Not Found", "try /add/2/3"
        return "200 OK", str(OPERATIONS[parts[1]](int(parts[2]), int(parts[3])))
    except ValueError:
        return "400 Bad Request", "try /add/2/3"


def serve(sock):
    """Serve one client until it leaves."""
    received = b""
    with sock, suppress(ConnectionError):  # that it leaves in the middle is nothing special
        while True:
            while b"\r\n\r\n" not in received:
                if not (data := sock.recv(4096)):
                    return
                received += data
            head, _, received = received.partition(b"\r\n\r\n")
            status, text = respond(head.decode("latin-1"))
            response = f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n{text}"
            sock.sendall(response.encode())
            if b"connection: close" in head.lower():
                return


port = int(sys.argv[1]) if sys.argv[1:] else 1234

with socket.create_server(("localhost", port)) as listener:
    print("listening on port", port)
    while True:
        sock, address = listener.accept()
        # - # TODO: this waits until the client leaves. Let a new thread do it; daemon=True lets
        # - # Ctrl-C end the program while threads still wait.
        # - serve(sock)
        Thread(target=serve, args=(sock,), daemon=True).start()  # +
