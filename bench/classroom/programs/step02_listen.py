"""Step 2: listen, accept, and print who connects."""

import socket
import sys

# - import time

port = int(sys.argv[1]) if sys.argv[1:] else 1234

with socket.create_server(("localhost", port)) as listener:
    print("listening on port", port)
    while True:
        # - # TODO: accept a client, print its address, send it b"hello\n", and close it.
        # - time.sleep(1)  # nobody is accepted yet: replace this line
        sock, address = listener.accept()  # +
        print("connected:", address)  # +
        with sock:  # +
            sock.sendall(b"hello\n")  # +
