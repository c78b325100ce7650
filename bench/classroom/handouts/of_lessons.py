"""The sheets of a lesson, from the texts that the terminal shows."""

import difflib
from html import escape

from calcbench.bench.classroom.handouts.sheet import Sheet, boxes, lines, prose, section, top
from calcbench.bench.classroom.lessons.lesson import Lesson

WHOLE = 48  # lines of a program that fit beside the texts; of a longer one the parts around changes
AROUND = 10  # lines before and behind what is written


def sheets_of_lesson(lesson: Lesson, of: int) -> tuple[Sheet, Sheet]:
    """Return the sheet to predict on and the solution of *lesson*, one of so many."""
    name = f"lesson-{lesson.number:02}"
    kind = f"Lesson {lesson.number} of {of}"
    predict = "\n".join(
        (
            top(kind, lesson.title, for_whom="Name"),
            prose(lesson.idea),
            section(
                "1. Predict, before you run anything",
                prose(lesson.prediction.question),
                boxes(lesson.prediction.choices),
                "<p>Because</p>",
                lines(2),
            ),
            section("2. Run", prose(lesson.run), "<p>What I saw</p>", lines(2)),
            section("3. Write", prose(lesson.task), lines(2)),
            section("4. What will break next?", lines(1)),
        )
    )
    solution = "\n".join(
        (
            top(f"{kind}: solution", lesson.title),
            section(
                "Predict",
                prose(lesson.prediction.question),
                boxes(lesson.prediction.choices, lesson.prediction.right),
                prose(lesson.reveal),
            ),
            section(f"Write: {lesson.program}", program(lesson)),
            section("What breaks next", prose(lesson.breaks)),
        )
    )
    return (
        Sheet(f"{name}-predict", f"{kind}: {lesson.title}", predict),
        Sheet(f"{name}-solution", f"{kind}: {lesson.title} (solution)", solution),
    )


def program(lesson: Lesson) -> str:
    """Return the solution of *lesson*, with what is not in the beginning in bold."""
    if lesson.changes:
        return "".join(map(code, lesson.changes))
    before, after = lesson.given.splitlines(), lesson.solved.splitlines()
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    written: set[int] = set()
    for kind, _, _, begin, end in matcher.get_opcodes():
        if kind in ("replace", "insert"):
            written.update(range(begin, end))
    near = {n + by for n in written for by in range(-AROUND, AROUND + 1)}
    shown: list[str] = []
    for number, line in enumerate(after):
        if len(after) > WHOLE and number not in near:
            if shown[-1:] != ["..."]:
                shown.append("...")
            continue
        text = escape(line)
        shown.append(f"<b>{text}</b>" if number in written and line.strip() else text)
    return f'<pre class="program">{chr(10).join(shown)}</pre>'


def code(change: str) -> str:
    """Return one of the changes that make a strategy, a block of its own."""
    return f'<pre class="program change">{escape(change)}</pre>'
