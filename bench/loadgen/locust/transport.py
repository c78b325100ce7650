"""How Locust's master and workers reach each other: ZeroMQ sockets that only members can use.

They take the place of Locust's own, which believe anybody. CURVE (rfc.zeromq.org/spec/26) encrypts
and authenticates: its server's key pair comes from the secret of the run, and is public to those
alone who know that. So whoever has another secret, or none, fails in the handshake, inside
libzmq, before anything of theirs is looked at; and what is recorded cannot be sent again.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import gevent
import zmq.green as zmq
from locust.exception import RPCError, RPCReceiveError
from locust.rpc import Message, rpc
from zmq.utils.monitor import recv_monitor_message
from zmq.utils.z85 import encode

from calcbench.bench.loadgen.locust.border import LARGEST_FRAME
from calcbench.core.serving.sockets import in_url

HANDSHAKE_MS = 5_000  # for a stranger to show that he knows the secret
RETRY_MS = 500  # between two attempts of a worker to connect
IN_LINE = 64  # messages of one worker that wait to be read, each of LARGEST_FRAME at most
LARGEST_ORDER = 1 << 28  # bytes of what a master, who is authenticated, tells: a body to send
LOCUSTS: Any = rpc  # where its runners look for their Server and Client
REFUSED = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH


def server_keys(secret: str) -> tuple[bytes, bytes]:
    """Return the public and the secret key of the master whose run has this *secret*."""
    private = encode(hashlib.sha256(secret.encode()).digest())
    return zmq.curve_public(private), private


def make_socket(kind: int, host: str, largest: int) -> Any:
    """Return a socket in a context of its own that takes no message above *largest* bytes."""
    sock: Any = zmq.Context().socket(kind)
    sock.setsockopt(zmq.IPV6, int(":" in host or host == "*"))
    sock.setsockopt(zmq.MAXMSGSIZE, largest)
    sock.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    sock.setsockopt(zmq.TCP_KEEPALIVE, 1)
    sock.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 30)
    return sock


def watch(sock: Any, events: int, act: Callable[[], None]) -> gevent.Greenlet:
    """Have *act* called for each of the *events* of *sock*."""
    monitor = sock.get_monitor_socket(events)

    def listen() -> None:
        while recv_monitor_message(monitor)["event"] != zmq.EVENT_MONITOR_STOPPED:
            act()

    return gevent.spawn(listen)


class Server:
    """The master's end, in place of Locust's `rpc.Server`.

    *admit* is called with the name of a connection and what it has sent; it returns the message, or
    None for one that is not for Locust. *refused* is called when a handshake fails.
    """

    def __init__(
        self,
        secret: str,
        admit: Callable[[str, bytes], Message | None],
        refused: Callable[[], None],
        host: str,
        port: int,
    ) -> None:
        self.admit = admit
        self.socket = make_socket(zmq.ROUTER, host, LARGEST_FRAME)
        _, self.socket.curve_secretkey = server_keys(secret)
        self.socket.curve_server = True
        self.socket.setsockopt(zmq.RCVHWM, IN_LINE)
        watch(self.socket, REFUSED, refused)
        at = f"tcp://{in_url(host)}"
        try:
            self.socket.bind(f"{at}:{port or '*'}")
        except zmq.ZMQError as error:
            raise RPCError(f"cannot listen at {in_url(host)}:{port}: {error}") from None
        # It goes on listening: libzmq's listener owns its connections, and ends with all of them.
        self.port = int(self.socket.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2])

    def send_to_client(self, message: Message) -> None:
        """Send *message* to the worker that it names; to nobody if that has gone."""
        self.socket.send_multipart([message.node_id.encode(), message.serialize()])

    def recv_from_client(self) -> tuple[str, Message]:
        """Return the next message for Locust and whose it is.

        That is by its connection, whose name nobody else can take while it lasts.
        """
        while True:
            try:
                name, *frames = self.socket.recv_multipart()
            except zmq.ZMQError as error:
                raise RPCError(f"the network is broken: {error}") from error
            sender = name.decode("utf-8", "backslashreplace")
            if message := self.admit(sender, frames[0] if len(frames) == 1 else b""):
                return sender, message

    def close(self, linger: int | None = None) -> None:
        """Close it."""
        self.socket.close(linger=linger)


class Client:
    """A worker's end, in place of Locust's `rpc.Client`; *refused* as for `Server`."""

    def __init__(
        self, secret: str, refused: Callable[[], None], host: str, port: int, identity: str
    ) -> None:
        self.socket = make_socket(zmq.DEALER, host, LARGEST_ORDER)
        self.socket.curve_serverkey, _ = server_keys(secret)
        self.socket.curve_publickey, self.socket.curve_secretkey = zmq.curve_keypair()
        self.socket.setsockopt(zmq.ROUTING_ID, identity.encode())
        self.socket.setsockopt(zmq.RECONNECT_IVL, RETRY_MS)
        watch(self.socket, REFUSED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, refused)
        self.socket.connect(f"tcp://{in_url(host)}:{port}")

    def send(self, message: Message) -> None:
        """Send *message*; waits where too many are on their way."""
        self.socket.send(message.serialize())

    def recv(self) -> Message:
        """Return the next message of the master's."""
        try:
            message: Message = Message.unserialize(self.socket.recv())
        except zmq.ZMQError as error:
            raise RPCError(f"the network is broken: {error}") from error
        except (ValueError, TypeError) as error:
            raise RPCReceiveError(f"a message that makes no sense: {error}") from error
        return message

    def close(self, linger: int | None = None) -> None:
        """Close it."""
        self.socket.close(linger=linger)
