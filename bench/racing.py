"""`calcbench run`: the race, what a signal does to it, and what is shown of it in the end."""

import contextlib
import dataclasses
import json
import resource
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from calcbench.bench.arguments import (
    WORKLOADS,
    choose_control,
    complete_strategies,
    complete_words,
    flatten,
    listed,
    parse_strategies,
    reuse,
    seconds,
    whole_number,
    workload,
)
from calcbench.bench.command import Command, policy_of, policy_options
from calcbench.bench.deciding import decided, deciding_options
from calcbench.bench.offering import most_clients, offered, offering_options
from calcbench.bench.plan import KEEP_ALIVE, LOOPBACK, REUSES, Plan
from calcbench.bench.progress import progress_on_terminal
from calcbench.core.errors import CalcbenchError, UsageError

if TYPE_CHECKING:
    from calcbench.bench.race import Contest
    from calcbench.bench.result import Measurement, Run
    from calcbench.bench.statistics import Summary

FILES_BESIDE = 100  # descriptors that a server or driver may need beside those of its connections


@click.command(
    "run",
    cls=Command,
    examples={
        "calcbench run": "all, with two workloads",
        "calcbench run --strategy fork,selectors": "two of them",
        "calcbench run --strategy threadpool:workers=4": "a variant of one",
        "calcbench run --connections 1,16,256 --reuse close": "without keep-alive",
        "calcbench run --workload cpu=2ms --rounds 9": "slow answers, less noise",
        "calcbench run --rate 2000 --arrivals poisson": "an open loop, as of independent users",
        "calcbench run --connections 16 --behaviour idle=20": "20 silent clients beside 16",
        "calcbench run --precision 5%": "until differences are clear",
        "calcbench run --find-knee --slo 'p99<20ms'": "the highest rate that each sustains",
        "calcbench run --engine locust --join 2 --host 192.0.2.7": "from two other machines",
        "calcbench run --strategy fork --json > fork.json": "all of it for a program",
    },
)
@click.option(
    "--strategy",
    "strategies",
    metavar="NAME,…",
    multiple=True,
    shell_complete=complete_strategies,
    help="Names, variants such as threadpool:workers=4, or all. Repeats.  [default: all]",
)
@click.option(
    "--connections",
    type=listed(whole_number("--connections 1,8,32")),
    metavar="N,…",
    multiple=True,
    default=["1,8,32"],
    show_default=True,
    help="How many clients at once. Repeats.",
)
@click.option(
    "--workload",
    "workloads",
    type=listed(workload),
    metavar="WORKLOAD,…",
    multiple=True,
    default=["add,wait=10ms"],
    show_default=True,
    shell_complete=complete_words(*WORKLOADS),
    help=f"What an answer costs: {', '.join(WORKLOADS)}. Repeats.",
)
@click.option(
    "--reuse",
    "reuses",
    type=listed(reuse),
    metavar="HOW,…",
    multiple=True,
    default=[KEEP_ALIVE],
    show_default=True,
    shell_complete=complete_words(*REUSES),
    help="keep-alive, or close for a new connection for each request. Repeats.",
)
@click.option(
    "--duration",
    type=seconds("--duration 2.5"),
    metavar="SECONDS",
    default="0.6",
    show_default=True,
    help="Length of each measurement.",
)
@click.option(
    "--warmup",
    type=seconds("--warmup 0.5"),
    metavar="SECONDS",
    default="0.2",
    show_default=True,
    help="What goes before each measurement and is thrown away.",
)
@click.option(
    "--rounds",
    type=whole_number("--rounds 3"),
    metavar="N",
    default="3",
    show_default=True,
    help="How often all is measured, each time in a fresh order.",
)
@click.option(
    "--host",
    metavar="ADDRESS",
    default=LOOPBACK,
    show_default=True,
    help="Where the servers listen; for --join, the address by which other machines reach this"
    " one.",
)
@click.option(
    "--seed",
    type=whole_number("--seed 7"),
    metavar="N",
    default="1",
    show_default=True,
    help="What draws the orders and the operands.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    default="results",
    show_default=True,
    help="Folder in which the run gets a folder of its own.",
)
@click.option("--json", "as_json", is_flag=True, help="The whole result on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but where the result is.")
@deciding_options
@offering_options
@policy_options
def run_command(
    strategies: tuple[str, ...],
    connections: tuple[tuple[int, ...], ...],
    workloads: tuple[tuple[str, ...], ...],
    reuses: tuple[tuple[str, ...], ...],
    duration: float,
    warmup: float,
    rounds: int,
    host: str,
    seed: int,
    out: Path,
    as_json: bool,
    quiet: bool,
    **more: Any,
) -> int:
    """Race strategies, print a table, draw charts.

    As it stands it takes a minute and a half. Every measurement has a fresh server. Ctrl-C
    keeps what has been measured until then. The exit status is 1 if a strategy failed, but not
    if it cannot run here.
    """
    ctx, labels = click.get_current_context(), parse_strategies(strategies)
    fields: dict[str, Any] = {"connections": flatten(connections)}
    deciding, slo = decided(ctx, more, lambda text: choose_control(text, labels, rounds, seed))
    fields |= offered(ctx, more) | deciding
    plan = Plan(
        strategies=labels,
        workloads=flatten(workloads),
        reuses=flatten(reuses),
        duration_s=duration,
        warmup_s=warmup,
        rounds=rounds,
        seed=seed,
        host=host,
        policy=policy_of(more),
        **fields,
    )
    if plan.join and ctx.get_parameter_source("host") is click.core.ParameterSource.DEFAULT:
        raise UsageError("--join needs --host: the address by which other machines reach this one")
    return conduct(plan, slo, out, as_json=as_json, quiet=quiet)


def conduct(
    plan: Plan,
    slo: str,
    out: Path,
    *,
    as_json: bool,
    quiet: bool,
    contest: "Callable[[], Contest] | None" = None,
) -> int:
    """Race as *plan* says, or search the knee for *slo*; return the exit status.

    *contest* returns who races, and without one it is our strategies. A signal ends it, and what
    has been measured until then is kept.
    """
    allow_files(most_clients(plan) + FILES_BESIDE)
    with interrupted_by_signals() as caught:
        try:
            racers = contest() if contest else None
            if slo:
                return run_search(plan, slo, out, as_json=as_json, quiet=quiet, contest=racers)
            return run_plan(plan, out, as_json=as_json, quiet=quiet, contest=racers)
        except KeyboardInterrupt:
            return 128 + (caught or [signal.SIGINT])[0]


def run_search(
    plan: Plan, slo: str, out: Path, *, as_json: bool, quiet: bool, contest: "Contest | None" = None
) -> int:
    """Search the knees of *plan* and show them; return the exit status."""
    from calcbench.bench import knee
    from calcbench.bench.checking import prepare
    from calcbench.bench.result import SEARCH, default_folder
    from calcbench.bench.swarm.engine import swarm_of

    objective, folder = knee.parse_objective(slo), default_folder(out)
    tell = (lambda _: None) if quiet else (lambda text: click.echo(text, err=True))
    with swarm_of(plan, announce) as swarm:
        knees = knee.find_knees(
            plan,
            objective,
            folder,
            tell,
            contest,
            prepare=lambda: prepare(plan.engine, quiet=quiet),
            swarm=swarm,
        )
    if as_json:
        click.echo((folder / SEARCH).read_text(encoding="utf-8"))
    elif quiet:
        click.echo(folder)
    else:
        click.echo("\n".join([*knee.lines(knees, objective), "", f"Data:   {folder}"]))
    return knee.check(knees)


def run_plan(
    plan: Plan, out: Path, *, as_json: bool, quiet: bool, contest: "Contest | None" = None
) -> int:
    """Race as *plan* says and show the result; return the exit status unless interrupted.

    Without a *contest* it is among our strategies.

    Raises KeyboardInterrupt after showing what there is of an interrupted race.
    """
    from calcbench.bench.checking import prepare
    from calcbench.bench.race import Interrupted, race
    from calcbench.bench.report import print_report, write_views
    from calcbench.bench.result import default_folder
    from calcbench.bench.statistics import summarise
    from calcbench.bench.swarm.engine import swarm_of

    folder = default_folder(out)
    interrupted = False
    try:
        with swarm_of(plan, announce) as swarm, progress_on_terminal(quiet=quiet) as progress:
            run = race(
                plan,
                folder,
                progress,
                shlex.join(["calcbench", *sys.argv[1:]]),
                lambda: prepare(plan.engine, quiet=quiet),
                contest,
                swarm,
            )
    except Interrupted as stopped:
        run, interrupted = stopped.run, True
    # The result is safe: who presses Ctrl-C now does not want to wait for charts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    summary = summarise(run, folder)
    try:
        write_views(summary, run, folder)
    finally:  # a disk that is too full for charts takes nothing from the table
        if as_json:
            click.echo(whole_result(summary, run))
        if quiet:
            click.echo(folder, err=as_json)
        else:
            print_report(summary, run, folder, sys.stderr if as_json else sys.stdout)
    if interrupted:
        raise KeyboardInterrupt
    return judge(summary, run)


def announce(text: str) -> None:
    """Tell the user *text* in a line of its own, while a race is on."""
    click.echo(f"calcbench: {text}", err=True)


def allow_files(count: int) -> None:
    """Let this process, and those that it starts, open *count* files at once.

    Raises UsageError when the system does not allow as many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and count > hard:
        raise UsageError(
            f"connections {count - FILES_BESIDE} should be at most {hard - FILES_BESIDE},"
            f" for a process may open {hard} files here (ulimit -Hn)"
        )
    if soft != resource.RLIM_INFINITY and count > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


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


def whole_result(summary: "Summary", run: "Run") -> str:
    """Return everything as JSON: the summary, and the run that it summarises."""
    from calcbench.bench.ranking import ranking_as_json
    from calcbench.bench.statistics import to_json

    whole: dict[str, Any] = {
        "summary": json.loads(to_json(summary, ranking_as_json(summary))),
        "run": dataclasses.asdict(run),
    }
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False)


def judge(summary: "Summary", run: "Run") -> int:
    """Return the exit status for *summary* of *run*; raises CalcbenchError where one failed.

    A server that failed in some rounds has failed. One that cannot run here has not, as long as
    another one could be measured, and the driver's own trouble in some rounds is nobody's.
    """
    broken = {m.condition.variant for m in run.measurements if is_servers_failure(m)}
    lost = {row.condition.strategy for row in summary.rows if row.status == "failed"} - broken
    for names, what in ((broken, "failed"), (lost, "could not be measured")):
        if names:
            raise CalcbenchError(
                f"{', '.join(sorted(names))} {what}; the reasons are below the table"
            )
    if all(row.status != "ok" for row in summary.rows):
        raise CalcbenchError("none of these strategies can run here")
    return 0


def is_servers_failure(measurement: "Measurement") -> bool:
    """Tell whether *measurement* failed by its server, and not by its drivers or by itself."""
    from calcbench.bench import judging

    evidence = measurement.evidence
    doubtful = evidence.get("lost") or judging.judge(evidence).name == judging.INVALID
    return (
        measurement.status == "failed"
        and measurement.judgement in ("", judging.INVALID)
        and not doubtful
    )
