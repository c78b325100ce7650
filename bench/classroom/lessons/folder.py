"""The student's folder: her programs, which nobody overwrites, and how far she is."""

from dataclasses import dataclass
from pathlib import Path

from calcbench.bench.classroom.lessons.lesson import Lesson
from calcbench.bench.system.files import whole_file

MISSING, AS_GIVEN, CHANGED = "missing", "as it was given", "changed by you"


@dataclass(frozen=True)
class Folder:
    """The folder at *path*, in which a student works."""

    path: Path

    def file(self, lesson: Lesson) -> Path:
        """Return where the program of *lesson* is, or would be."""
        return self.path / lesson.program

    def state(self, lesson: Lesson) -> str:
        """Return what has become of the program: `MISSING`, `AS_GIVEN` or `CHANGED`."""
        try:
            text = self.file(lesson).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return MISSING
        return AS_GIVEN if text == lesson.given else CHANGED

    def put(self, lesson: Lesson) -> bool:
        """Put the program of *lesson* here unless it is; tell whether that was so."""
        if self.file(lesson).exists():
            return False
        with whole_file(self.file(lesson)) as file:
            file.write(lesson.given.encode())
        return True

    def put_afresh(self, lesson: Lesson) -> Path | None:
        """Put the program here as it was given; return where the changed one is now, if any."""
        kept = None
        if self.state(lesson) == CHANGED:
            kept = self.free_name(self.file(lesson))
            self.file(lesson).rename(kept)
        self.put(lesson)
        return kept

    def free_name(self, file: Path) -> Path:
        """Return a name beside *file* that nothing has yet."""
        number = 1
        while (name := file.with_name(f"{file.name}.{number}")).exists():
            number += 1
        return name
