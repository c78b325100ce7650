"""What to do where a point goes beyond the driver's ceiling: the ceiling was wrong."""

import dataclasses
from collections.abc import Callable, Sequence

from calcbench.bench.diagnosis.classify import classify
from calcbench.bench.diagnosis.failures import nobody_served
from calcbench.bench.schema.calibration import Calibration
from calcbench.bench.schema.judgements import UNSERVED
from calcbench.bench.schema.result import Measurement

Recalibrate = Callable[[Calibration, Sequence[Measurement]], Calibration | None]


def beyond(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Return those of *measurements* whose driver did more than it can do at most, highest last."""
    found = [one for one in measurements if (one.evidence.ceiling_ratio or 0) > 1]
    return sorted(found, key=lambda one: one.evidence.ceiling_ratio or 0)


def once(recalibrate: Recalibrate) -> Recalibrate:
    """Return what calls *recalibrate* the first time only, and then goes on with what is known."""
    done = False

    def recalibrate_once(known: Calibration, points: Sequence[Measurement]) -> Calibration | None:
        nonlocal done
        if done:
            return known
        done = True
        return recalibrate(known, points)

    return recalibrate_once


def reconsider(
    measurements: Sequence[Measurement],
    known: Calibration | None,
    recalibrate: Recalibrate,
) -> tuple[list[Measurement], Calibration | None]:
    """Return *measurements* judged by the right ceiling, and the calibration that it is of.

    Where one of them went beyond that of *known*, *recalibrate* measures the driver anew. What goes
    beyond the new one too has no known ceiling: it is judged by how busy its driver was.
    """
    points = beyond(measurements)
    if known is None or not points:
        return list(measurements), known
    anew = recalibrate(known, points)
    return [judge_again(one, known, anew) for one in measurements], anew or known


def judge_again(one: Measurement, before: Calibration, now: Calibration | None) -> Measurement:
    """Return *one*, which was judged by the ceiling of *before*, judged by that of *now*."""
    way, ratio = one.condition.reuse, one.evidence.ceiling_ratio
    old, new = before.ceiling_per_s(way), now.ceiling_per_s(way) if now else None
    if ratio is None or not old:
        return one
    ratio = round(ratio * old / new, 4) if new else None
    if ratio is not None and ratio > 1:
        ratio = None
    evidence = dataclasses.replace(one.evidence, ceiling_ratio=ratio)
    if one.status != "ok":  # it does not count, whatever the driver can do
        return dataclasses.replace(one, evidence=evidence)
    unserved = nobody_served(one) if UNSERVED in one.evidence.judgements else ""
    judgement = classify(evidence, unserved=unserved)
    evidence = dataclasses.replace(evidence, judgements=judgement.all, reasons=judgement.why)
    return dataclasses.replace(one, judgement=judgement.name, evidence=evidence)
