"""Locust's user: one connection of the load that its worker was given."""

from typing import ClassVar

from gevent.queue import Queue
from locust import User, task
from locust.dispatch import UsersDispatcher
from locust.exception import StopUser
from locust.runners import WorkerNode

from calcbench.bench.loadgen.locust.client import Client


class ConnectionUser(User):
    """Takes a free client of the load, waits for one if need be, and leaves when it is over.

    It tells Locust of no request: its figures are rounded, ours ride in the reports as they are.
    """

    clients: ClassVar["Queue[Client]"] = Queue()

    @task
    def drive(self) -> None:
        """Ask for as long as the load lasts."""
        self.clients.get().run()
        raise StopUser


class Dispatcher(UsersDispatcher):
    """Deals users out to members of the race, and lets nobody in who comes later.

    Locust would take users, and so connections, from those who drive and give them to a newcomer.
    """

    members: ClassVar[set[str]] = set()  # by Locust's name for them; others may know the secret

    def __init__(self, worker_nodes: list[WorkerNode], user_classes: list[type[User]]) -> None:
        super().__init__([node for node in worker_nodes if node.id in self.members], user_classes)

    def add_worker(self, worker_node: WorkerNode) -> None:
        """Let it wait for the next load."""
