"""A summary for programs: as JSON and as CSV."""

import csv
import dataclasses
import io
import json
from collections.abc import Mapping
from math import inf
from typing import Any

from calcbench.bench.analysis.inference import Comparison
from calcbench.bench.analysis.metrics import CPU
from calcbench.bench.analysis.ranking import (
    comparable,
    contests,
    controls,
    groups,
    leading,
    tier_numbers,
)
from calcbench.bench.analysis.spread import Spread
from calcbench.bench.analysis.summary import Row, Summary
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.outcomes import Outcomes


def to_json(summary: Summary, more: Mapping[str, Any] | None = None) -> str:
    """Return *summary*, and what there is *more* to say of it, as JSON.

    Figures that do not exist are null, and so is the upper end of an interval that has none.
    """
    values = dataclasses.asdict(summary) | dict(more or {})
    for row in values["rows"]:
        for name, value in row.items():
            if isinstance(value, dict) and value.get("rounds") == 0:
                row[name] = None
            elif isinstance(value, dict) and value.get("interval"):
                value["interval"] = [None if end == inf else end for end in value["interval"]]
    return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(summary: Summary) -> str:
    """Return *summary* as CSV with a line of names; figures that do not exist are empty."""
    table = [flat_row(row) for row in summary.rows]
    text = io.StringIO()
    names = list(flat_row(Row(Condition("", "", "", 0), "")))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def flat_row(row: Row) -> dict[str, Any]:
    """Return *row* as one level of names and values, such as ``p99_ns_median``."""
    flat: dict[str, Any] = {}
    for field in dataclasses.fields(row):
        value = getattr(row, field.name)
        if isinstance(value, Spread):
            figure = "throughput_per_s" if field.name == "throughput" else field.name
            for part in ("median", "low", "high"):
                flat[f"{figure}_{part}"] = getattr(value, part) if value.rounds else ""
            for part, end in zip(("from", "to"), value.interval or ("", ""), strict=True):
                flat[f"{figure}_{part}"] = "" if end == inf else end
            flat[f"{figure}_at_least"] = value.at_least if value.rounds else ""
        elif field.name == "all_outcomes":
            flat |= {f"all_{way}": count for way, count in dataclasses.asdict(value).items()}
        elif field.name in ("counted", "limited"):
            flat[field.name] = " ".join(map(str, value))
        elif isinstance(value, Condition | Outcomes):
            flat |= dataclasses.asdict(value)
        else:
            flat[field.name] = value
    return flat


def ranking_as_json(summary: Summary) -> dict[str, Any]:
    """Return the tiers, the comparisons and the controls of *summary*, for programs.

    *cpu_tiers* are by the CPU time for each response, and so are comparisons of that metric.
    """
    comparisons = [
        {
            "metric": metric.name,
            "workload": rows[0].condition.workload,
            "reuse": rows[0].condition.reuse,
            "connections": rows[0].condition.connections,
            "strategy": pair[0],
            "other": pair[1],
            **as_json(comparison),
            # Every other axis too, behind what older readers know; those above stay in their place.
            **dataclasses.asdict(dataclasses.replace(rows[0].condition, strategy=pair[0])),
        }
        for rows in groups(summary.rows)
        for metric in (leading(rows), CPU)
        for pair, comparison in contests(comparable(rows, metric), metric).items()
        if pair[0] < pair[1]
    ]
    return {
        **{
            name: [
                {**dataclasses.asdict(condition), "tier": tier}
                for condition, tier in tier_numbers(summary.rows, metric).items()
            ]
            for name, metric in (("tiers", None), ("cpu_tiers", CPU))
        },
        "comparisons": comparisons,
        "controls": [
            {**dataclasses.asdict(control.condition), **as_json(control.comparison)}
            for control in controls(summary.rows)
        ],
    }


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return *comparison* as JSON can carry it: what is infinite is null."""
    values = {
        name: None if value == float("inf") else value
        for name, value in dataclasses.asdict(comparison).items()
    }
    return {**values, "clear": comparison.clear}
