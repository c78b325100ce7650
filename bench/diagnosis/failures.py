"""Why a measurement does not count: what its server, its workers or its responses have done."""

from dataclasses import asdict

from calcbench.bench.diagnosis.classify import classify
from calcbench.bench.loadgen.causes import came_first
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.schema.judgements import INVALID
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.result import Measurement
from calcbench.bench.units import format_count, format_ns
from calcbench.core.serving.ending import Stopped, status_in_words
from calcbench.core.serving.output import last_line

WAYS = {"http_error": "of another status", "timed_out": "timed out"}  # of ending, in words


def failure_reason(observation: Observation, died: bool, stopped: Stopped) -> str:
    """Return in one line why a measurement does not count, or nothing when it does."""
    if died or (stopped.status and not stopped.killed):
        how = status_in_words(stopped.status)
        when = " while it was measured" if died else ""
        why = stopped.failure or last_line(stopped.printed)
        return f"the server {how}{when}" + (f": {why}" if why else "")
    if stopped.killed:
        return "the server did not stop when asked to, and was killed"
    if stopped.failure:
        return f"the server printed a traceback: {stopped.failure}"
    return failure_reason_of_responses(observation)


def failure_reason_of_responses(observation: Observation) -> str:
    """Return why no responses of an *observation* count, or nothing when they do."""
    if observation.lost:
        return observation.lost
    if observation.outcomes.wrong:
        wrong, total = observation.outcomes.wrong, observation.outcomes.total
        seen = format_count(wrong, "wrong response")
        return f"{seen} among {total:,}{first_failure(observation, 'wrong')}"
    if not observation.outcomes.ok and not is_there(observation.outcomes):
        return nobody_served(observation)
    return ""


def unserved_reason(observation: Observation) -> str:
    """Return what clients met where a server that was there served none of them, or nothing.

    That is no failure of the measurement: it is what the measurement has found.
    """
    outcomes = observation.outcomes
    if outcomes.ok or outcomes.wrong or observation.lost or not is_there(outcomes):
        return ""
    return nobody_served(observation)


def is_there(outcomes: Outcomes) -> bool:
    """Tell whether clients without a right response had found a server at all.

    They had where a request got some response, or was waiting until the end or its time-out; who
    only refuses or resets connections may be nobody.
    """
    return bool(outcomes.http_error or outcomes.timed_out or not outcomes.total)


def nobody_served(observation: Observation | Measurement) -> str:
    """Say what has come instead of right responses, or that nothing has."""
    seen = [
        f"{count:,} {how_ended(observation, way)}"
        for way, count in asdict(observation.outcomes).items()
        if count
    ]
    window = f"within the window of {format_ns(observation.elapsed_ns)}"
    if seen:
        return f"no right response {window}: {' and '.join(seen)}"
    count = observation.in_flight
    waiting = f"; {format_count(count, 'request')} {'was' if count == 1 else 'were'} still waiting"
    return f"no response came {window}{waiting if count else ''}"


def how_ended(observation: Observation | Measurement, way: str) -> str:
    """Say how requests of an *observation* ended this *way*, and why the first of them did."""
    words = WAYS.get(way, way)
    causes = [one.why for one in observation.failures if one.outcome == way]
    if len(causes) == 1 and causes[0].startswith(words):
        return causes[0]  # of every one of them
    return words + first_failure(observation, way)


def first_failure(observation: Observation | Measurement, way: str) -> str:
    """Return why the first response of an *observation* that ended this *way* was not right."""
    found = [one for one in observation.failures if one.outcome == way]
    return f" (the first: {min(found, key=came_first).why})" if found else ""


def is_servers_failure(measurement: Measurement) -> bool:
    """Tell whether *measurement* failed by its server, and not by its drivers or by itself."""
    evidence = measurement.evidence
    doubtful = evidence.lost or classify(evidence).name == INVALID
    return (
        measurement.status == "failed" and measurement.judgement in ("", INVALID) and not doubtful
    )


def contradiction_of_totals(observation: Observation, responses: int) -> str:
    """Return how an *observation* contradicts the *responses* that the server counted, if it does.

    Both count since the start. A response that a client gave up or lost is the server's alone, and
    it answers no more than it was asked; so where nothing failed all three are equal.
    """
    if (
        observation.responses_seen < 0
        or observation.responses_seen <= responses <= observation.begun
    ):
        return ""
    begun, counted = format_count(observation.begun, "request"), format_count(responses, "response")
    return (
        f"the counts contradict each other: {begun} started, the server counted {counted} and the"
        f" workers {observation.responses_seen:,}"
    )
