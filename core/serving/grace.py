"""How long a stop may take: one rule, for the server that stops and for whoever waits for it.

Stopping is bounded by the limits that the user has set, and by nothing hidden. From the moment of
the stop, what has begun has the drain timeout, and beside it the time that the workload costs a
response. That moment is the server's deadline, one for all of its clients, threads and children:
it closes by itself what is left then. The launcher waits a fixed margin longer before it kills.
"""

from calcbench.core.app.workload import Workload
from calcbench.core.http.limits import Policy

MARGIN_S = 5.0  # for a laden machine to notice the deadline, close what is left, and end


def drain_s(policy: Policy, workload: Workload) -> float:
    """Return the seconds that a server has, from the stop on, for what has begun by then."""
    return policy.drain_timeout + workload.seconds


def patience_s(policy: Policy, workload: Workload) -> float:
    """Return the seconds after which a server that was asked to stop is killed."""
    return drain_s(policy, workload) + MARGIN_S
