"""What a measurement can be judged to be; `calcbench.bench.diagnosis.classify` has the rules."""

SERVER_BOUND, DRIVER_BOUND, SILENT, CONTENDED, UNSTEADY, INVALID = JUDGEMENTS = (
    "server-bound",
    "driver-bound",
    "silent",
    "contended",
    "unsteady",
    "invalid",
)
GRAVEST_FIRST = (INVALID, DRIVER_BOUND, SILENT, CONTENDED, UNSTEADY)

# Such points do not say how fast a server is; nor does a window of which half is missing.
UNRANKED = (DRIVER_BOUND, SILENT, INVALID)

# Why the rate of a silent window did not settle: what `calcbench.bench.diagnosis.classify` knows it
# by. Errors may have come.
NO_RESPONSES = "in half of the window or more no right response came"
