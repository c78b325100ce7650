"""Let wrk ask the same of the same server, right behind our driver: a cross-check.

wrk sends the very requests that our driver does, from one thread, over as many connections, in a
closed loop. It checks no response but for its status, and takes whole seconds only. Before it
prints quantiles it corrects them for coordinated omission: it adds latencies that nobody had
(`stats_correct` in the stats.c of wrk 4), so where responses stall they lie above ours. Its rate is
as it was.
"""

import math
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from calcbench.bench.loadgen.spec import LoadSpec, ring
from calcbench.bench.schema.evidence import WrkFigures
from calcbench.bench.schema.plan import WRK
from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.serving.output import last_line
from calcbench.core.serving.sockets import in_url

TIMEOUT_S = 30.0  # beyond what it should take
QUANTILE = re.compile(r"^ +(50|99)(?:[.]0+)?% +([0-9.]+)(us|ms|s|m)$", re.MULTILINE)
RATE = re.compile(r"^Requests/sec: +([0-9.]+)$", re.MULTILINE)
ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
WRONG = re.compile(r"Non-2xx or 3xx responses: (\d+)")
UNITS_NS = {"us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000}


def need_wrk() -> None:
    """Raise UsageError where wrk is not installed."""
    if shutil.which(WRK) is None:
        raise UsageError(f"--engine wrk needs {WRK}, which is not on the PATH")


def cross_check(spec: LoadSpec) -> WrkFigures:  # pragma: no cover - needs wrk
    """Return what wrk says of the server of *spec*; raises CalcbenchError when it says nothing."""
    seconds = max(math.ceil(spec.duration_s), 1)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "requests.lua"
        script.write_text(lua([request for request, _ in ring(spec)]))
        command = [
            *(["taskset", "-c", ",".join(map(str, spec.cpus))] if spec.cpus else []),
            *(WRK, "--threads", "1", "--connections", str(spec.connections)),
            *("--duration", f"{seconds}s", "--timeout", f"{math.ceil(spec.timeout_s)}s"),
            *(
                "--latency",
                "--script",
                str(script),
                f"http://{in_url(spec.address or spec.host)}:{spec.port}/",
            ),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=seconds + TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CalcbenchError(f"wrk did not run: {error}") from None
    return understand(done.stdout, done.stderr)


def lua(requests: list[bytes]) -> str:
    """Return a script that makes wrk send *requests*, one after the other, again and again."""
    texts = ",\n".join('"' + "".join(f"\\{octet:03d}" for octet in text) + '"' for text in requests)
    return f"""local requests = {{{texts}}}
local number = 0
function request()
  number = number % #requests + 1
  return requests[number]
end
"""


def understand(output: str, stderr: str = "") -> WrkFigures:
    """Return the figures in the *output* of wrk; raises CalcbenchError where there are none."""
    rate = RATE.search(output)
    if not rate:
        last = last_line(stderr or output)
        raise CalcbenchError(f"wrk printed no rate: {last or 'no output'}")
    quantiles = {
        f"p{percent}_ns": round(float(number) * UNITS_NS[unit])
        for percent, number, unit in QUANTILE.findall(output)
    }
    errors, wrong = ERRORS.search(output), WRONG.search(output)
    failed = sum(map(int, errors.groups())) if errors else 0
    return WrkFigures(
        per_s=float(rate[1]),
        errors=failed + (int(wrong[1]) if wrong else 0),
        **quantiles,
    )
