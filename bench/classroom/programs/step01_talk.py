"""Step 1: two ends talk. This program is one of them, and nc is the other."""

import socket
import sys

port = int(sys.argv[1]) if sys.argv[1:] else 1234

with socket.create_connection(("localhost", port)) as sock:
    sock.sendall(b"hello from Python\n")
    # - # TODO: all is sent. Say so to the other end; `sock.shutdown` ends one direction.
    sock.shutdown(socket.SHUT_WR)  # +
    while data := sock.recv(4096):  # b"" means that the other end has finished sending
        print("the other end says", data)
print("the other end has finished")
