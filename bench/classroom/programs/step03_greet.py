"""Step 3: ask for a name, and greet."""

import socket
import sys


def serve(sock):
    """Greet one client."""
    sock.sendall(b"What is your name? ")
    # - # TODO: one recv is not one line. Call it until the line end, b"\n", is there;
    # - # and return when it gives b"": this client has left without a name.
    # - received = sock.recv(100)
    received = b""  # +
    while b"\n" not in received:  # +
        data = sock.recv(100)  # +
        if not data:  # +
            return  # +
        received += data  # +
    name = received.strip()
    sock.sendall(b"Hello, " + name + b"!\n")


port = int(sys.argv[1]) if sys.argv[1:] else 1234

with socket.create_server(("localhost", port)) as listener:
    print("listening on port", port)
    while True:
        sock, address = listener.accept()
        print("connected:", address)
        try:
            with sock:
                serve(sock)
        except ConnectionError as error:  # the client has gone away in the middle
            print("lost:", address, error)
