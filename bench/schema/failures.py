"""What went wrong with requests: a record for each cause, with how often and what came first."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """The *count* requests of a window that ended with one *outcome* for one *cause*.

    *cause* is the same for all of them, such as ``status 503``. The rest is of the first: it failed
    *first_ns* after the window opened (below 0: in the warm-up, as far as is known), *detail* says
    more of why, and *excerpt* is how its response began, printable; both may be empty.
    """

    outcome: str
    cause: str
    count: int
    first_ns: int
    detail: str = ""
    excerpt: str = ""

    @property
    def why(self) -> str:
        """What was wrong with the first, in words."""
        return f"{self.cause}: {self.detail}" if self.detail else self.cause
