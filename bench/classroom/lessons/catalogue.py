"""Which lessons there are: the files of the folder `steps`, in the order of their names."""

import importlib
import pkgutil
from functools import cache

from calcbench.bench.classroom import steps
from calcbench.bench.classroom.lessons.lesson import Lesson
from calcbench.core.errors import UsageError


@cache
def lessons() -> tuple[Lesson, ...]:
    """Return every lesson, in order."""
    found = sorted(module.name for module in pkgutil.iter_modules(steps.__path__))
    modules = (importlib.import_module(f"{steps.__name__}.{name}") for name in found)
    return tuple(module.LESSON for module in modules)


def lesson_of(number: int) -> Lesson:
    """Return the lesson *number*; raises UsageError where there is none."""
    every = lessons()
    if not 1 <= number <= len(every):
        raise UsageError(f"no lesson {number}; there are 1 to {len(every)}")
    return every[number - 1]
