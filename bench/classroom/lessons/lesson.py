"""What a lesson is: its texts, its program, and the rules that its check holds the program to.

The texts are the one source of what the terminal shows and of what is printed on paper. They are
paragraphs with an empty line between them; what is indented is shown as it stands.
"""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import cleandoc

from calcbench.bench.classroom.lessons.program import beginning, changed, solution, source
from calcbench.bench.classroom.lessons.trial import Trial


@dataclass(frozen=True)
class Rule:
    """What a program must do, in words that follow its name, and the *test* of it.

    The test raises `MissedError` where the program does something else.
    """

    does: str
    test: Callable[[Trial], None]


@dataclass(frozen=True)
class Prediction:
    """A question to answer before the run, its *choices*, and which of them is right, from 0."""

    question: str
    choices: tuple[str, ...]
    right: int


@dataclass(frozen=True)
class Lesson:
    """One step: what it is about, what to guess, to type and to write, and what breaks next.

    *program* is the name of its file; *hints* begin with the vaguest. The last step has an
    *origin*, a program whose solution is the beginning here, and *changes*, blocks of lines, which
    make a strategy of it. *then* is what one more client says behind each rule, whom the program
    has to answer; None where the program is no server.
    """

    title: str
    program: str
    idea: str
    prediction: Prediction
    run: str
    reveal: str
    task: str
    hints: tuple[str, ...]
    breaks: str
    rules: tuple[Rule, ...] = ()
    origin: str = ""
    changes: tuple[str, ...] = ()
    then: bytes | None = None

    def __post_init__(self) -> None:
        for name in ("idea", "run", "reveal", "task", "breaks"):
            object.__setattr__(self, name, cleandoc(getattr(self, name)))

    @property
    def given(self) -> str:
        """What a student begins with."""
        return solution(source(self.origin)) if self.origin else beginning(source(self.program))

    @property
    def solved(self) -> str:
        """What she ends with."""
        return changed(self.given, self.changes) if self.origin else solution(source(self.program))

    @property
    def number(self) -> int:
        """The number of the step, which its program's name begins with."""
        return int(self.program[4:6])
