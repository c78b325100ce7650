"""Step 11: an event loop. One thread, and nobody is waited for. GET alone."""

import operator
import socket
import sys
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector

OPERATIONS = {"add": operator.add, "sub": operator.sub, "mult": operator.mul}


class Client:
    """A client: its socket, what it has sent, what it is to get, what we wait for."""

    def __init__(self, sock):
        self.sock, self.received, self.output = sock, b"", b""
        self.leaves, self.watched = False, 0


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


def serve_ready(client):
    """Receive what is here, respond to what is whole, send what is taken."""
    if not client.output:
        # - # TODO: the selector says that something is here, and so recv comes back at once. But
        # - # this loop calls it until a request is whole, and everybody waits. Call it once: the
        # - # selector tells when more comes.
        # - client.sock.setblocking(True)
        # - while b"\r\n\r\n" not in client.received and not client.leaves:
        # -     data = client.sock.recv(4096)
        # -     client.received += data
        # -     client.leaves = not data
        data = client.sock.recv(4096)  # +
        client.received += data  # +
        client.leaves = not data  # +
    while b"\r\n\r\n" in client.received:
        head, _, client.received = client.received.partition(b"\r\n\r\n")
        status, text = respond(head.decode("latin-1"))
        client.output += f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()
        client.leaves = client.leaves or b"connection: close" in head.lower()
    client.output = client.output[client.sock.send(client.output) :]


def serve(listener):
    """Run an event loop over *listener* and its clients."""
    clients, selector = set(), DefaultSelector()
    selector.register(listener, EVENT_READ)

    def serve_clients(several):
        for client in several:
            try:
                serve_ready(client)
            except BlockingIOError:  # the client takes no more now
                pass
            except OSError:  # it has gone away
                client.output, client.leaves = b"", True
            interest = EVENT_WRITE if client.output else 0 if client.leaves else EVENT_READ
            finished = not interest
            # Change 1 ends here. What is below stays.
            if interest != client.watched:
                if client.watched:
                    selector.unregister(client.sock)
                if interest:
                    selector.register(client.sock, interest, client)
                client.watched = interest
            if finished:
                clients.discard(client)
                client.sock.close()

    while True:
        # Change 2 begins here.
        ready = selector.select()
        # Change 2 ends here. What is below stays.
        serve_clients([key.data for key, _ in ready if key.data])
        # Change 3 begins here, and ends with the file.
        for key, _ in ready:
            if key.fileobj is listener:
                sock, _ = listener.accept()
                sock.setblocking(False)
                clients.add(client := Client(sock))
                selector.register(sock, EVENT_READ, client)
                client.watched = EVENT_READ


if __name__ == "__main__":
    port = int(sys.argv[1]) if sys.argv[1:] else 1234
    with socket.create_server(("localhost", port)) as listener:
        print("listening on port", port)
        serve(listener)
