r"""A connection for people who type: a bare LF ends a line, and the deadlines are a day away.

The strict connection knows nothing of this. HTTP allows a recipient to take a lone LF for a line
end (RFC 9112 §2.2), and so does it here, in heads alone: where two programs in a chain disagree on
that, a request can be smuggled past one of them. So it is not for a network.
"""

import re

from calcbench.core.http.connection import Connection
from calcbench.core.http.limits import DAY

# Of the policy, for whoever types or thinks.
DEADLINES = dict.fromkeys(
    ("head_timeout", "body_timeout", "idle_timeout", "send_timeout"), f"{DAY:.0f}"
)
EMPTY_LINES = re.compile(rb"(?:\r?\n)*+")
END_OF_HEAD = re.compile(rb"\n\r?\n")
BARE_LF = re.compile(rb"(?<!\r)\n")


def patient_connection(kind: type[Connection]) -> type[Connection]:
    """Return a *kind* of connection that takes a bare LF in a head for CRLF."""

    class Patient(kind):  # type: ignore[misc, valid-type]  # mypy knows no base that is a value
        __slots__ = ()

        def consume_head(self) -> bool:
            """Consume a head, as `Connection.consume_head`, once its line ends are whole."""
            buffer: bytearray = self.buffer
            begin = EMPTY_LINES.match(buffer)
            found = END_OF_HEAD.search(buffer, begin.end() if begin else 0)
            end = found.end() if found else len(buffer)
            buffer[:end] = BARE_LF.sub(b"\r\n", bytes(buffer[:end]))  # the body stays as it is
            whole: bool = kind.consume_head(self)
            return whole

    return Patient
