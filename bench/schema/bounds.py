"""The least and the most that each number of a plan may be, typed or read from a file."""

from collections.abc import Mapping

from calcbench.core.options import Bounds

DAY_S = 86_400
# Requests per second of one driver. Beyond it, keeping the schedule alone would take all its time,
# and none has sent half as many.
MOST_RATE = 400_000

CONNECTIONS = Bounds(1, 1_000_000)  # more than any machine has ports for
DURATION = Bounds(0.01, DAY_S, "seconds")  # a shorter window has no room for a few responses
WARMUP = Bounds(0, DAY_S, "seconds")
TIMEOUT = Bounds(0.001, DAY_S, "seconds")
ROUNDS = Bounds(1, 10_000)
SEED = Bounds(0, 2**32 - 1)
DRIVERS = Bounds(1, 256)
JOINING = Bounds(1, 256)
PORT = Bounds(1, 65_535)
RATE = Bounds(0.001, DRIVERS.most * MOST_RATE, "requests per second")
THINK = Bounds(0.001, DAY_S, "seconds")  # who thinks for less does not think
PRECISION = Bounds(0.001, 0.99, "%")
FAILURES = Bounds(0, 1, "%")

# The fields of a plan, each with its name in words. Those in the second table may be left out,
# which is None or 0.
REQUIRED: Mapping[str, tuple[str, Bounds]] = {
    "duration_s": ("duration", DURATION),
    "warmup_s": ("warm-up", WARMUP),
    "rounds": ("rounds", ROUNDS),
    "seed": ("seed", SEED),
    "timeout_s": ("timeout", TIMEOUT),
    "drivers": ("drivers", DRIVERS),
    "most_failures": ("most failures", FAILURES),
}
OPTIONAL: Mapping[str, tuple[str, Bounds]] = {
    "precision": ("precision", PRECISION),
    "most_rounds": ("most rounds", ROUNDS),
    "join": ("join", JOINING),
    "think_s": ("think", THINK),
    "master_port": ("master port", PORT),
}
