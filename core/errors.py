"""What can go wrong, and who is told: one line for a user, one status for a client."""


class CalcbenchError(Exception):
    """A failure that a user can act on; its text is one clear line, without a full stop.

    *exit_status* is what the command line ends with.
    """

    exit_status = 1


class UsageError(CalcbenchError):
    """The user asked for something that does not exist or cannot be meant."""

    exit_status = 2


class HttpError(CalcbenchError):
    """A request that gets an error *status* as its response (RFC 9110 §15).

    *headers* are further fields for the response, such as ``Allow`` with 405.
    """

    def __init__(
        self, status: int, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
