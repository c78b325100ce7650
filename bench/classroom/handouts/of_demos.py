"""The sheets of a demo, from the words of its scenario."""

from html import escape

from calcbench.bench.classroom.demo.scenario import Scenario
from calcbench.bench.classroom.handouts.sheet import Sheet, boxes, lines, prose, section, top


def sheets_of_demo(scenario: Scenario) -> tuple[Sheet, Sheet]:
    """Return the sheet to predict on and the solution of *scenario*."""
    name = f"demo-{scenario.number:02}-{scenario.name}"
    kind = f"Demo {scenario.number}"
    command = f"    calcbench demo {scenario.name}"
    predict = "\n".join(
        (
            top(kind, scenario.title, for_whom="Name"),
            section("What will happen", prose(scenario.happens)),
            section(
                "1. Bet, before it runs",
                prose(scenario.question),
                boxes(scenario.bets),
                "<p>Because</p>",
                lines(4),
            ),
            section("2. What I saw", lines(4)),
            section("3. Why it was so, in a sentence", lines(3)),
        )
    )
    places = "".join(
        f"<li><code>{escape(place.file)}</code>, <code>{escape(place.function)}</code>:"
        f" {escape(place.what)}</li>"
        for place in scenario.why
    )
    claim = scenario.claim[:1].upper() + scenario.claim[1:]
    solution = "\n".join(
        (
            top(f"{kind}: solution", scenario.title),
            section("What happens", prose(scenario.happens), prose(command)),
            section("The bet", prose(scenario.question), boxes(scenario.bets, scenario.answer)),
            section("Why", prose(scenario.because)),
            section("What it claims, and checks on your machine", prose(claim)),
            section("Where to look", f"<ul>{places}</ul>"),
        )
    )
    return (
        Sheet(f"{name}-predict", f"{kind}: {scenario.title}", predict),
        Sheet(f"{name}-solution", f"{kind}: {scenario.title} (solution)", solution),
    )
