"""What a measurement can be judged to be; `calcbench.bench.diagnosis.classify` has the rules."""

SERVER_BOUND, DRIVER_BOUND, UNSERVED, SILENT, CONTENDED, UNSTEADY, INVALID = JUDGEMENTS = (
    "server-bound",
    "driver-bound",
    "unserved",
    "silent",
    "contended",
    "unsteady",
    "invalid",
)
GRAVEST_FIRST = (INVALID, DRIVER_BOUND, UNSERVED, SILENT, CONTENDED, UNSTEADY)

# Such points do not say how fast a server is: half of the window is missing, or nothing adds up.
UNRANKED = (SILENT, INVALID)

# Why the rate of a silent window did not settle: what `calcbench.bench.diagnosis.classify` knows it
# by. Errors may have come.
NO_RESPONSES = "in half of the window or more no right response came"
