"""`calcbench compare A B`: what changed between two results, as far as the rounds can tell."""

import shlex
import sys
from pathlib import Path

import click

from calcbench.bench.analysis.compare import compare_all, matched, unpaired
from calcbench.bench.analysis.gate import judge_all
from calcbench.bench.analysis.summary import summarise
from calcbench.bench.analysis.thresholds import exit_status, parse_threshold
from calcbench.bench.cli.base import Command, json_option, tell_problems
from calcbench.bench.cli.display import explain_option, exports, theme_option
from calcbench.bench.schema.reader import read_sound
from calcbench.bench.system.terminal import echo, echo_json, one_line
from calcbench.bench.views.change_table import change_lines
from calcbench.bench.views.compare_table import compare_lines, comparison_as_json
from calcbench.bench.views.differences import are_alike, losses, other_settings, ways_of_measuring
from calcbench.bench.views.gate import judged_lines
from calcbench.bench.views.report import width_of
from calcbench.bench.views.theme import PROJECTOR


@click.command(
    "compare",
    cls=Command,
    examples={
        "calcbench compare results/main results/branch": "what changed, and what is only noise",
        "calcbench compare A B --fail-if 'throughput<-10%'": "99 if it fell by more than that",
        "calcbench compare A B --fail-if 'p99>50ms'": "99 if it takes longer than that in B",
        "calcbench compare A B --fail-if 'errors>1%'": "99 if more requests than that fail in B",
    },
)
@click.argument("first", metavar="A", type=click.Path(path_type=Path, file_okay=False))
@click.argument("second", metavar="B", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--fail-if",
    "thresholds",
    metavar="THRESHOLD",
    multiple=True,
    help="Metric, < or >, limit: with % the change from A to B, else B alone. Metrics:"
    " throughput, p50, p90, p99, max, cpu. Of B's requests, how many or which % failed: errors, or"
    " wrong, http_error, refused, reset, timed_out; how many or which % of B's clients were not"
    " served: unserved. Beside unserved clients, rates and times hold nothing: 98. Repeats.",
)
@json_option()
@theme_option
@explain_option
@exports
def compare_command(
    first: Path,
    second: Path,
    thresholds: tuple[str, ...],
    as_json: bool,
    theme: str,
    explain: bool,
) -> int:
    """Compare the result in folder B with that in A.

    Prints how each metric changed, its 95% interval and a verdict. With thresholds it exits 99
    where one is broken for any strategy, else 98 where the data cannot tell, as where B lacks a
    condition of A, one is partial, they have other settings, or one was measured in slices and the
    other in windows, else 0. It exits 1 where a file of A or B is damaged, and compares the rest.
    """
    parsed = [parse_threshold(text) for text in thresholds]
    read = read_sound(first), read_sound(second)
    runs = read[0].run, read[1].run
    summaries = summarise(runs[0], first), summarise(runs[1], second)
    pairs = matched(*summaries)
    changes = compare_all(pairs)
    missing, more = (unpaired(summary, pairs) for summary in summaries)
    lost, ways = losses(runs, pairs), ways_of_measuring(runs)
    alike = [] if other_settings(*runs) else [pair for pair in pairs if are_alike(pair, ways)]
    judged = judge_all(parsed, alike, summaries[1], missing, lost)
    if as_json:
        echo_json(comparison_as_json(runs, changes, judged, lost, missing, more))
    else:
        short = theme == PROJECTOR.name
        if short:
            again = shlex.join(["calcbench", "compare", str(first), str(second)])
            below = [] if explain else [f"More: {again}"]
            for line in change_lines(changes, lost, missing, width_of(sys.stdout), below):
                echo(line)
        # A newline in a label of somebody's result begins no line of ours.
        if short and not explain:
            lines = list(judged_lines(judged))
        else:
            lines = list(compare_lines(runs, changes, judged, lost, missing, more))
        for line in map(one_line, lines):
            echo(line)
    problems = dict.fromkeys((*read[0].problems, *read[1].problems))  # of one result, perhaps
    return tell_problems((*problems,)) or exit_status(judged)
