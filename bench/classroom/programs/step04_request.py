"""Step 4: receive one HTTP request, and send one response."""

import socket
import sys


def serve(sock):
    """Receive the head of a request, up to the empty line, and respond."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = sock.recv(4096)
        if not data:
            return
        received += data
    print(received.decode("latin-1"))
    body = b"hello\n"
    # - # TODO: before the body send a head: a status line, Content-Length with the number
    # - # of bytes in the body, Connection: close, and an empty line. Lines end in \r\n.
    # - head = b""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n".encode()  # +
    head += b"Connection: close\r\n\r\n"  # +
    sock.sendall(head + body)


port = int(sys.argv[1]) if sys.argv[1:] else 1234

with socket.create_server(("localhost", port)) as listener:
    print("listening on port", port)
    while True:
        sock, address = listener.accept()
        try:
            with sock:
                serve(sock)
        except ConnectionError as error:  # the client has gone away in the middle
            print("lost:", address, error)
