"""Conduct a race or a search that a command line asks for: what a signal does to it, what is shown.

What has been measured is safe before anything is shown of it.
"""

import contextlib
import functools
import json
import resource
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from calcbench.bench.cli.afterwards import note_latest, open_report
from calcbench.bench.cli.plan_fields import Output
from calcbench.bench.cli.progress import progress_on_terminal, say_promise
from calcbench.bench.loadgen.locust.secret import need_locust
from calcbench.bench.schema.behaviours import mix
from calcbench.bench.schema.plan import LOCUST, Plan
from calcbench.bench.system.cpus import shared_cores, usable_cores
from calcbench.bench.system.terminal import echo, echo_json, one_line
from calcbench.core.errors import CalcbenchError, UsageError

if TYPE_CHECKING:
    from calcbench.bench.analysis.summary import Summary
    from calcbench.bench.runner.subject import Subject
    from calcbench.bench.schema.result import Run


FILES_BESIDE = 100  # descriptors that a server or driver may need beside those of its connections


def conduct(plan: Plan, slo: str, output: Output, subject_of: "Callable[[Plan], Subject]") -> int:
    """Race as *plan* says, or search the knee for *slo*; return the exit status.

    *subject_of* returns what is raced. A signal ends it, and what has been measured until then is
    kept.
    """
    if plan.engine == LOCUST:
        need_locust("--engine locust")
    allow_files(most_clients(plan) + FILES_BESIDE)
    with interrupted_by_signals() as caught:
        try:
            subject = subject_of(plan)
            if slo:
                return run_search(plan, subject, slo, output)
            return run_plan(plan, subject, output)
        except KeyboardInterrupt:
            return 128 + (caught or [signal.SIGINT])[0]


def run_search(plan: Plan, subject: "Subject", slo: str, output: Output) -> int:
    """Search the knees of the *subject* as *plan* says and show them; return the exit status."""
    from calcbench.bench.cli.doctor import prepare_race, recalibrate
    from calcbench.bench.loadgen.locust.cluster import cluster_of
    from calcbench.bench.runner import knee
    from calcbench.bench.schema.store import SEARCH

    objective = knee.parse_objective(slo)
    with (
        folder_of_result(output) as folder,
        cluster_of(plan, announce, address_of(plan, subject)) as cluster,
    ):
        if not output.quiet:
            warn_of_shared_cores(plan, subject)
        knees = knee.find_knees(
            plan,
            subject,
            objective,
            folder,
            (lambda _: None) if output.quiet else announce,
            prepare=lambda: prepare_race(plan.engine, quiet=output.quiet),
            cluster=cluster,
            recalibrate=functools.partial(recalibrate, quiet=output.quiet),
        )
    note_latest(folder)
    if output.as_json:
        echo_json(json.loads((folder / SEARCH).read_text(encoding="utf-8")))
    elif output.quiet:
        echo(str(folder))
    else:
        echo("\n".join([*knee.knee_lines(knees, objective), "", f"Data:   {folder}"]))
    return knee.exit_status_of_search(knees)


def run_plan(plan: Plan, subject: "Subject", output: Output) -> int:
    """Race the *subject* as *plan* says and show the result; return the exit status.

    Raises KeyboardInterrupt after showing what there is of an interrupted race.
    """
    from calcbench.bench.analysis.gate import judge_rows
    from calcbench.bench.analysis.summary import summarise
    from calcbench.bench.analysis.thresholds import BROKEN, exit_status
    from calcbench.bench.cli.doctor import prepare_race, recalibrate, seconds_to_calibrate
    from calcbench.bench.loadgen.locust.cluster import cluster_of
    from calcbench.bench.runner.forecast import seconds_behind, seconds_of_race
    from calcbench.bench.runner.race import Interrupted, race
    from calcbench.bench.views.gate import judged_as_json, judged_lines
    from calcbench.bench.views.report import page_of_run, print_report, write_views
    from calcbench.bench.views.theme import PROJECTOR

    behind_s = seconds_behind(plan, charts=output.charts)
    interrupted = False
    with folder_of_result(output) as folder:
        if not output.quiet:
            calibration_s = seconds_to_calibrate(plan.engine)
            seconds = seconds_of_race(plan, calibration_s=calibration_s, charts=output.charts)
            announce(say_promise(plan, seconds))
            warn_of_shared_cores(plan, subject)
        try:
            with (
                cluster_of(plan, announce, address_of(plan, subject)) as cluster,
                progress_on_terminal(quiet=output.quiet, behind_s=behind_s) as progress,
            ):
                run = race(
                    plan,
                    subject,
                    folder,
                    progress,
                    shlex.join(["calcbench", *sys.argv[1:]]),
                    lambda: prepare_race(plan.engine, quiet=output.quiet),
                    cluster,
                    functools.partial(recalibrate, quiet=output.quiet),
                )
        except Interrupted as stopped:
            run, interrupted = stopped.run, True
    if not interrupted:
        note_latest(folder)
    # The result is safe: who presses Ctrl-C now does not want to wait for charts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    summary = summarise(run, folder)
    try:
        write_views(summary, run, folder, charts=output.charts, theme=output.theme)
    finally:  # a disk that is too full for charts takes nothing from the table
        judged = judge_rows(output.thresholds, summary)
        if output.as_json:
            echo_json(whole_result(summary, run) | (judged_as_json(judged) if judged else {}))
        if output.quiet:
            echo(str(folder), err=output.as_json)
        else:
            stream = sys.stderr if output.as_json else sys.stdout
            print_report(
                summary,
                run,
                folder,
                stream,
                charts=output.charts,
                theme=output.theme,
                explain=output.explain,
            )
            for line in judged_lines(judged):
                echo(one_line(line), err=output.as_json)
    if interrupted:
        raise KeyboardInterrupt
    if output.opens:
        open_report(page_of_run(folder, output.theme))
    why = "the reasons are below the table"
    if output.quiet or (output.theme == PROJECTOR.name and not output.explain):
        why = f"{shlex.join(['calcbench', 'report', str(folder)])} says why"
    status = exit_status(judged)
    return status if status == BROKEN else exit_status_of(summary, run, why) or status


def warn_of_shared_cores(plan: Plan, subject: "Subject") -> None:
    """Say which drivers will share a core, with one another or with the server, if any do."""
    from calcbench.bench.runner.race import pinning_of

    cores = len(usable_cores())
    if not plan.join and (shared := shared_cores(plan.drivers, pinning_of(plan, subject), cores)):
        announce(shared)


def address_of(plan: Plan, subject: "Subject") -> str:
    """Return where workers from other machines join: at the address of our own servers.

    Empty, for every address of this machine, where the servers are somebody else's.
    """
    return plan.host if subject.pinned else ""


@contextlib.contextmanager
def folder_of_result(output: Output) -> Iterator[Path]:
    """Give a folder for a result; where something ends it early, say that there is one."""
    from calcbench.bench.schema.store import JOURNAL, RESULT, SEARCH, claimed_folder

    with claimed_folder(output.out) as folder:
        try:
            yield folder
        except BaseException:
            if any((folder / name).exists() for name in (RESULT, JOURNAL, SEARCH)):
                announce(f"what was measured until then is in {folder}")
            raise


def announce(text: str) -> None:
    """Tell the user *text* in a line of its own, while a race is on."""
    echo(f"calcbench: {text}", err=True)


def allow_files(count: int) -> None:
    """Let this process, and those that it starts, open *count* files at once.

    Raises UsageError when the system does not allow as many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and count > hard:
        raise UsageError(
            f"connections {count - FILES_BESIDE:,} should be at most {hard - FILES_BESIDE:,},"
            f" for a process may open {hard:,} files here (ulimit -Hn)"
        )
    if soft != resource.RLIM_INFINITY and count > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
        except (OSError, ValueError):  # macOS sets a bound of its own below a hard limit of none
            raise UsageError(
                f"connections {count - FILES_BESIDE:,} need {count:,} open files, and this system"
                " does not give a process so many"
            ) from None


@contextlib.contextmanager
def interrupted_by_signals() -> Iterator[list[int]]:
    """Make SIGTERM and SIGHUP do what Ctrl-C does; the list holds the signal that came first.

    After it nothing interrupts us any more: an impatient user presses twice, a closing terminal
    and a shutdown send several signals, and the first has said it all. A SIGHUP that is ignored
    stays so, for `nohup`; a SIGINT does not, for a script may send one to a race that it has
    started in the background, where shells ignore it.
    """
    caught: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        if not caught:
            caught.append(number)
            raise KeyboardInterrupt

    handled = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        handled.append(signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in handled}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def whole_result(summary: "Summary", run: "Run") -> dict[str, Any]:
    """Return everything for JSON: the summary, and the run that it summarises."""
    from calcbench.bench.schema.result import run_as_json
    from calcbench.bench.views.export import ranking_as_json, to_json

    return {
        "summary": json.loads(to_json(summary, ranking_as_json(summary))),
        "run": run_as_json(run),
    }


def exit_status_of(summary: "Summary", run: "Run", why: str) -> int:
    """Return the exit status for *summary* of *run*; raises CalcbenchError where one failed.

    *why* says where the reasons are.
    A server that failed in some rounds has failed, and so has one that failed more of its requests
    than the plan allows. One that cannot run here has not, as long as
    another one could be measured, and what a driver did in some rounds is nobody's failure.
    """
    from calcbench.bench.diagnosis.failures import is_servers_failure
    from calcbench.bench.views.wording import enumerate_names, rounds_in_words

    broken = {m.condition.variant for m in run.measurements if is_servers_failure(m)}
    lost = {row.condition.strategy for row in summary.rows if row.status == "failed"} - broken
    for names, what in ((broken, "failed"), (lost, "could not be measured")):
        if names:
            raise CalcbenchError(f"{', '.join(sorted(names))} {what}; {why}")
    silent = [row for row in summary.rows if row.fails and (row.serves_nobody or row.unserved)]
    nobody = dict.fromkeys(
        f"{row.condition.variant} served nobody"
        + ("" if row.serves_nobody else f" in {rounds_in_words(row.unserved)}")
        for row in silent
    )
    short = {row.condition.variant for row in summary.rows if row.fails}
    short -= {row.condition.variant for row in silent}
    most = f"{100 * run.plan.most_failures:.3g}% of the requests without a right response"
    found = [f"{', '.join(sorted(short))} left more than {most} (--most-failures)"] if short else []
    if nobody:
        found = [enumerate_names(list(nobody)), *found, why]
    if found:
        raise CalcbenchError("; ".join(found))
    if all(row.status != "ok" for row in summary.rows):
        raise CalcbenchError("none of these strategies can run here")
    return 0


def most_clients(plan: Plan) -> int:
    """Return how many connections *plan* makes at once, those of background clients included."""
    return max(sum(mix(plan.behaviours, count).values()) + count for count in plan.connections)
