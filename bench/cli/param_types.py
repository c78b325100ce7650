"""What may stand behind an option of the command line, and how a shell completes it.

Every mistake is answered in one line that says what was given and what would be right.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import click
from click.shell_completion import CompletionItem

from calcbench.bench.schema.arrivals import ARRIVALS, CONSTANT, EXPONENTIAL
from calcbench.bench.schema.behaviours import parse_behaviour
from calcbench.bench.schema.plan import ENGINES, REUSES
from calcbench.core.app.workload import parse_workload
from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.options import (
    TIME_NOUN,
    WHOLE_NOUN,
    Bounds,
    describe,
    nearest,
    parse_number,
    parse_seconds,
    parse_whole,
    read_bounded,
)
from calcbench.core.serving import catalogue

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # generic in new releases of click only

ALL = "all"
ANY_CONTROL, NO_CONTROL = "any", "none"
WORKLOADS = ("add", "wait=10ms", "cpu=2ms", "block=10ms")  # what a shell offers

Thing = TypeVar("Thing")
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


class Number(ParamType):
    """A number within *bounds*, as *read* makes it of a text; *noun* in words.

    What is refused is named with the option that it stands behind, and *example* is a right one.
    """

    name = "number"

    def __init__(
        self, read: Callable[[str], float], noun: str, example: str, bounds: Bounds
    ) -> None:
        self.read, self.noun, self.example, self.bounds = read, noun, example, bounds

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number that *value* is; raises UsageError."""
        if not isinstance(value, str):
            return value
        flag = param.opts[0] if param else self.noun
        example = f", as in {flag} {self.example}"

        def read(text: str) -> float:
            return self.read(text.strip())

        return read_bounded(value, read, self.bounds, f"{flag} ", self.noun, example)


class Think(Number):
    """How long users think, within *bounds*: ``1s``, or ``exp:1s`` for one that varies.

    It becomes the seconds, and one of `calcbench.bench.schema.arrivals.THINKS`.
    """

    KINDS: ClassVar[Mapping[str, str]] = {"": CONSTANT, CONSTANT: CONSTANT, "exp": EXPONENTIAL}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the two that *value* is; raises UsageError."""
        if not isinstance(value, str):
            return value
        kind, _, time = value.strip().rpartition(":")
        if kind not in self.KINDS:
            known = [name for name in self.KINDS if name]
            raise UsageError(f"no think {kind!r}{nearest(kind, known)}")
        return super().convert(time, param, ctx), self.KINDS[kind]


class Listed(ParamType):
    """Several things with commas between them, each of the type *one*: a tuple."""

    name = "list"

    def __init__(self, one: "ParamType | Callable[[str], Any]") -> None:
        self.one = click.types.convert_type(one)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return all things in *value*; raises as *one* does."""
        if not isinstance(value, str):
            return value
        return tuple(self.one.convert(part.strip(), param, ctx) for part in value.split(","))


def whole_number(example: str, bounds: Bounds) -> Number:
    """Return the type of an integer within *bounds*."""
    return Number(parse_whole, WHOLE_NOUN, example, bounds)


def seconds(example: str, bounds: Bounds) -> Number:
    """Return the type of a time within *bounds*: seconds, or with a unit, ``500ms``."""
    return Number(parse_seconds, TIME_NOUN, example, bounds)


def think(example: str, bounds: Bounds) -> Think:
    """Return the type of a time to think, on average within *bounds*."""
    return Think(parse_seconds, TIME_NOUN, example, bounds)


def per_second(example: str, bounds: Bounds) -> Number:
    """Return the type of a rate within *bounds*, in requests per second."""
    return Number(parse_number, "requests per second", example, bounds)


def share(example: str, bounds: Bounds) -> Number:
    """Return the type of a share such as ``5%`` or ``0.05``: a ratio, 0.05."""

    def read(text: str) -> float:
        return parse_number(text.removesuffix("%")) / (100 if text.endswith("%") else 1)

    return Number(read, "a share", example, bounds)


def arrivals(text: str) -> str:
    """Return *text* if it names a way to arrive; raises UsageError with the nearest."""
    if text not in ARRIVALS:
        raise UsageError(f"no arrivals {text!r}{nearest(text, ARRIVALS)}")
    return text


def behaviour(text: str) -> str:
    """Return *text* if it asks for a behaviour; raises UsageError."""
    parse_behaviour(text)
    return text


def engine(text: str) -> str:
    """Return *text* if it names an engine; raises UsageError."""
    if text not in ENGINES:
        raise UsageError(f"no engine {text!r}{nearest(text, ENGINES)}")
    return text


def workload(text: str) -> str:
    """Return *text* if it names a workload, as it is written everywhere."""
    return parse_workload(text).name


def reuse(text: str) -> str:
    """Return *text* if it names a way of connecting; raises UsageError with the nearest."""
    if text not in REUSES:
        raise UsageError(f"no way of connecting {text!r}{nearest(text, REUSES)}")
    return text


def split_variants(text: str) -> list[str]:
    """Return the variants that *text* lists with commas between them.

    The options of a variant have commas between them as well. So a part with an equals sign and
    without a colon continues the variant before it: ``threadpool:workers=4,queue=9,fork`` is
    two variants.
    """
    variants: list[str] = []
    for part in text.split(","):
        if variants and "=" in part and ":" not in part:
            variants[-1] += f",{part}"
        else:
            variants.append(part)
    return variants


def parse_strategies(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the label of each strategy that *texts* list, once; of all for none or ``all``.

    Raises UsageError for an unknown strategy, a bad option of one, or two files of one name.
    """
    labels: list[str] = []
    paths: dict[str, str] = {}
    for variant in [variant for text in texts or [ALL] for variant in split_variants(text)]:
        if variant.strip() == ALL:
            labels += catalogue.names()
        else:
            asked_for = catalogue.parse_variant(variant)
            strategy = catalogue.load(asked_for.strategy)
            if strategy.broken:
                raise CalcbenchError(strategy.broken)
            if paths.setdefault(strategy.name, strategy.path) != strategy.path:
                raise UsageError(
                    f"{variant.strip()!r} and another file would both be called {strategy.name};"
                    " rename one"
                )
            labels.append(asked_for.label)
    return tuple(dict.fromkeys(labels))


def choose_control(
    text: str,
    labels: Sequence[str],
    rounds: int,
    seed: int,
    read: Callable[[str], str] | None = None,
) -> str:
    """Return the one of *labels* that *text* makes the control, empty for none.

    ``any`` draws one from the *seed*; where only one is raced, or only once, there is nothing
    that a control could say. *read* returns the label that a text means, and without it they are
    strategies. Raises UsageError for a label that is not raced.
    """
    if text == NO_CONTROL:
        return ""
    if text != ANY_CONTROL:
        label = read(text) if read else catalogue.parse_variant(text).label
        if label not in labels:
            raise UsageError(f"--control {text} should be raced{nearest(label, labels)}")
        return label
    fit = [
        label
        for label in labels
        if read or not catalogue.load(catalogue.parse_variant(label).strategy).unavailable
    ]
    if len(fit) < 2 or rounds < 2:
        return ""
    return random.Random(f"{seed}/control").choice(fit)


def complete_words(*words: str) -> Complete:
    """Return what completes to one of *words*, behind the last comma."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        return [CompletionItem(before + comma + word) for word in words if word.startswith(last)]

    return complete


def complete_strategies(
    _: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a strategy, and behind its colon the names of its options."""
    cut = max(incomplete.rfind(sign) for sign in ":,") + 1
    before, last = incomplete[:cut], incomplete[cut:]
    if "/" in last and not before:
        return [CompletionItem(incomplete, type="file")]
    # In front of a comma there is a whole variant, and behind it begins the next, or an option.
    variant = split_variants(before.removesuffix(","))[-1]
    strategy, colon, _options = variant.partition(":")
    found = [f"{option}=" for option in option_names(strategy, last)] if colon else []
    if not before.endswith(":"):
        names = [*catalogue.names(), *([ALL] if param.multiple else [])]
        found += [name for name in names if name.startswith(last)]
    return [CompletionItem(before + word) for word in found]


def complete_options(
    ctx: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of an option of the strategy that the command line names."""
    name = str(ctx.params.get("strategy") or "").partition(":")[0]
    return [CompletionItem(f"{option}=") for option in option_names(name, incomplete)]


def option_names(strategy: str, start: str) -> list[str]:
    """Return the names of the options of *strategy* that begin with *start*."""
    try:
        options_type = catalogue.load(strategy).options_type
    except CalcbenchError:  # while a name is being typed nobody wants to hear that it is wrong
        return []
    return [field.name for field in describe(options_type) if field.name.startswith(start)]


def distinct(lists: Iterable[Iterable[Thing]]) -> tuple[Thing, ...]:
    """Return all things of *lists* once, in their order."""
    return tuple(dict.fromkeys(thing for things in lists for thing in things))
