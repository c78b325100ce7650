"""Several servers driven by turns on a stage, and what each of their answers cost.

Whatever disturbs the machine then disturbs all of them alike, so that ratios hold on a busy one.
"""

from calcbench.bench.classroom.demo.scenario import Figures
from calcbench.bench.classroom.demo.stage import Stage
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.pool import DriverProcess
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.schema.turns import SLICE_S


def drive_by_turns(stage: Stage, *loads: LoadSpec, seed: str = "demo") -> list[Observation]:
    """Drive *loads*, each of a server of its own, by turns; return what was seen of each.

    The order of the turns is drawn from *seed*. Raises CalcbenchError where that is not possible.
    """
    driver = stage.exits.enter_context(DriverProcess(len(loads)))
    return driver.drive_by_turns(loads, SLICE_S, seed)


def answers_per_s(seen: Observation) -> float:
    """Return how many right responses came in each second of a server's turns."""
    return seen.right_responses * 1e9 / seen.elapsed_ns


def cost_of(label: str, seen: Observation) -> Figures:
    """Return how many right responses came, and the CPU time of each: 0 where nobody knows."""
    answers = seen.right_responses
    return {
        "label": label,
        "answers": answers,
        "per_s": answers_per_s(seen),
        "cpu_us": seen.server_cpu_ns / 1e3 / max(answers, 1),
    }
