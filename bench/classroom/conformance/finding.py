"""What a rule may find: broken, not to be judged, or not for this server."""

from calcbench.bench.classroom.raw_client import SilenceError, SurpriseError

# What a rule needs of a server, beside its being one.
KEEPS, CALC, PROCESS, CORE, OURS = "keep-alive", "/calc", "process", "core", "ours"
NO_CALC = "it has no POST /calc"


class BrokenError(Exception):
    """A rule is broken: what was *sent*, *seen* and *expected*, and which *mistake* it is.

    Where that is not the rule's own mistake, *hint* is for it.
    """

    def __init__(
        self, seen: str, expected: str = "", sent: str = "", mistake: str = "", hint: str = ""
    ) -> None:
        super().__init__(seen)
        self.seen, self.expected, self.sent = seen, expected, sent
        self.mistake, self.hint = mistake, hint


class AdviceError(BrokenError):
    """A promise that this server does not make, and says so: told, and no mistake."""


class SlowError(BrokenError):
    """A rule is broken because something did not come in time: worth a second look, alone."""


def kind_of(error: SurpriseError) -> type[BrokenError]:
    """Return what *error* of a client shows: that a rule is broken, or that time was too short."""
    return SlowError if isinstance(error, SilenceError) else BrokenError


class CannotJudgeError(Exception):
    """The rule cannot be judged here; the text says why."""


class NotOfferedError(Exception):
    """The server does not offer what the rule is about; the text says what."""
