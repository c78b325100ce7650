"""How long a stop may take: one rule, for whoever waits for a server that stops.

It follows from the limits that the user has set, and from nothing hidden. From the moment of the
stop, clients have the drain timeout to do their part (`Stop.deadline`), and a handler that has
begun by then may take as long as the workload costs. What is left after that the server closes
by itself; it is killed only if it has not ended a fixed margin later.
"""

from calcbench.core.app.workload import Workload
from calcbench.core.http.limits import Policy

MARGIN_S = 5.0  # for a laden machine to notice the deadline, close what is left, and end


def patience_s(policy: Policy, workload: Workload) -> float:
    """Return the seconds after which a server that was asked to stop is killed."""
    return policy.drain_timeout + workload.seconds + MARGIN_S
