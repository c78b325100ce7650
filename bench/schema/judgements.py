"""What a measurement can be judged to be; `calcbench.bench.diagnosis.classify` has the rules."""

SERVER_BOUND, DRIVER_BOUND, CONTENDED, UNSTEADY, INVALID = JUDGEMENTS = (
    "server-bound",
    "driver-bound",
    "contended",
    "unsteady",
    "invalid",
)
GRAVEST_FIRST = (INVALID, DRIVER_BOUND, CONTENDED, UNSTEADY)

UNRANKED = (DRIVER_BOUND, INVALID)  # such points say nothing of a server
