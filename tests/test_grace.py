"""How long a stop may take, by the limits that the user has set."""

import pytest

from calcbench.core.app.workload import parse_workload
from calcbench.core.http.limits import Policy
from calcbench.core.serving.grace import MARGIN_S, patience_s


@pytest.mark.parametrize(
    ("drain_timeout", "workload", "seconds"),
    [(3.0, "add", 3.0), (3.0, "wait=8s", 11.0), (30.0, "cpu=500ms", 30.5), (0.01, "add", 0.01)],
)
def test_gives_a_stop_its_drain_timeout_and_its_workload(
    drain_timeout: float, workload: str, seconds: float
) -> None:
    policy, cost = Policy(drain_timeout=drain_timeout), parse_workload(workload)

    assert patience_s(policy, cost) == seconds + MARGIN_S
