"""How a result file of an older version becomes one of today, and what it is refused for."""

import json
from pathlib import Path
from typing import Any

import pytest

from calcbench.bench.schema.judgements import NO_RESPONSES
from calcbench.bench.schema.reader import read_run
from calcbench.bench.schema.store import RESULT
from calcbench.bench.schema.upgrade import SCHEMA_VERSION, key_of_version, upgrade
from calcbench.core.errors import CalcbenchError

RECORDED = Path(__file__).with_name("recorded")


def second_version() -> dict[str, Any]:
    values: dict[str, Any] = json.loads((RECORDED / "schema-2" / RESULT).read_text())
    return values


def test_reads_the_second_version_by_its_own_names() -> None:
    run = read_run(RECORDED / "schema-2")

    for old, one in zip(second_version()["measurements"], run.measurements, strict=True):
        evidence, usage = old["evidence"], old["resources"]
        assert one.evidence.reasons == tuple(evidence["why"])
        assert one.evidence.judgements == tuple(evidence["all"])
        assert one.evidence.driver_fault == evidence["excuse"]
        assert one.evidence.background_clients == evidence["guests"]
        assert one.evidence.series == tuple(evidence["series"])
        assert one.right_responses == evidence["answered"]
        assert one.resource_usage
        assert one.resource_usage.samples == usage["looks"]
        workers = [worker.responses for worker in one.resource_usage.workers]
        assert workers == [worker["requests"] for worker in usage["workers"]]


def test_leaves_todays_files_as_they_are() -> None:
    values = {"measurements": [{"evidence": {"why": 1}, "resources": 2}]}

    assert upgrade(values, SCHEMA_VERSION) == values
    assert key_of_version("no at measurements[0].resource_usage", SCHEMA_VERSION) == (
        "no at measurements[0].resource_usage"
    )


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        ("resources.looks", "x", r"got str at measurements\[0\]\.resources\.looks$"),
        ("resources.more", 1, r"no field is called measurements\[0\]\.resources\.more$"),
        ("resources.workers.0", 1, r"got int at measurements\[0\]\.resources\.workers\[0\]$"),
        ("resources.workers.0.requests", "x", r"\[0\]\.resources\.workers\[0\]\.requests$"),
        ("resources", [], r"got array at measurements\[0\]\.resources$"),
        ("resources", 0, r"got int at measurements\[0\]\.resources$"),
        ("resources", {"cpu_ns": 1}, r"measurements\[0\]\.resources\.looks is missing$"),
        ("evidence.why", 1, r"got int at measurements\[0\]\.evidence\.why$"),
        ("evidence.all", ["bad"], r"measurements\[0\]\.evidence\.all 'bad' should be one of"),
        ("evidence.answered", "x", r"got str at measurements\[0\]\.evidence\.answered$"),
        ("evidence", [], r"got array at measurements\[0\]\.evidence$"),
        ("samples", 1, r"got int at measurements\[0\]\.samples$"),
        ("judgement", "driver bound", r"measurements\[0\]\.judgement 'driver bound' should be"),
    ],
)
def test_names_a_key_as_the_older_file_has_it(
    keys: str, value: object, message: str, tmp_path: Path
) -> None:
    values = second_version()
    place = values["measurements"][0]
    *folders, last = (int(key) if key.isdigit() else key for key in keys.split("."))
    for key in folders:
        place = place[key]
    place[last] = value
    (tmp_path / RESULT).write_text(json.dumps(values))

    with pytest.raises(CalcbenchError, match=f"is not a whole result: .*{message}"):
        read_run(tmp_path)


def test_reads_that_nobody_looked_at_the_resources(tmp_path: Path) -> None:
    values = second_version()
    values["measurements"][0]["resources"] = {}
    del values["measurements"][1]["resources"]
    (tmp_path / RESULT).write_text(json.dumps(values))

    seen = [one.resource_usage is None for one in read_run(tmp_path).measurements]
    assert seen == [True, True, False, False]


def test_calls_a_silent_window_what_it_is_called_today() -> None:
    """Whether it was one is judged by these words."""
    values = json.loads((RECORDED / "schema-4" / RESULT).read_text())
    values["measurements"][0]["evidence"]["settled_why"] = (
        "in half of the window or more no response came"
    )
    upgraded = upgrade(values, 4)["measurements"]

    assert upgraded[0]["evidence"]["settled_why"] == NO_RESPONSES
    assert upgraded[1:] == values["measurements"][1:]
