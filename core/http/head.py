r"""A head as it arrives, perhaps in pieces: the request line and the header section.

Like the readers of a body, the reader of a head consumes from the front of a buffer what belongs to
it and leaves what follows. What a whole head must look like is the parser's affair; here stands
what can be said of a head before its end has come.
"""

import re

from calcbench.core.errors import HttpError
from calcbench.core.http.limits import Policy
from calcbench.core.http.message import Request
from calcbench.core.http.parser import END_OF_HEAD, MAX_METHOD, TCHAR, Parser, parse_request_line

MAX_EMPTY_LINES = 4  # before a request; RFC 9112 §2.2 wants at least one to be overlooked
METHOD = re.compile(TCHAR + rb"*+")


class HeadReader:
    """Reads one head after the other, each with the empty lines before it.

    The end of the head does not begin in the first `scanned` octets of the buffer: they have been
    searched, so that no octet is searched twice.
    """

    __slots__ = ("empty_lines", "parser", "policy", "scanned")

    def __init__(self, parser: Parser) -> None:
        self.parser = parser
        self.policy = parser.policy
        self.scanned = 0
        self.empty_lines = 0

    def consume(self, buffer: bytearray) -> Request | None:
        """Drop a whole head off the front of *buffer* and return its request, without a body.

        Returns None while its end is missing. Raises HttpError for a head that breaks a rule, even
        if only its beginning is there; the bad head then stays in the buffer.
        """
        end = buffer.find(END_OF_HEAD, self.scanned)
        while buffer.startswith(b"\r\n"):
            del buffer[:2]  # of which nothing is scanned: the buffer is fresh, or was a CR alone
            self.empty_lines += 1
            if self.empty_lines > MAX_EMPTY_LINES:
                raise HttpError(400, f"there are over {MAX_EMPTY_LINES} empty lines")
            end = buffer.find(END_OF_HEAD)
        if end < 0:
            validate_beginning(buffer, self.scanned, self.policy)
            self.scanned = max(0, len(buffer) - 3)  # the end of the head may be there in part
            return None
        request = self.parse_head(bytes(buffer[: end + 4]))
        del buffer[: end + 4]
        self.scanned = self.empty_lines = 0
        return request

    def parse_head(self, head: bytes) -> Request:
        """Return the request that a complete *head* begins."""
        start, separator, fields_text = head.partition(b" HTTP/")
        if len(start) + 9 > self.policy.max_request_line or len(head) > self.policy.max_head:
            validate_beginning(head, 0, self.policy)
        try:
            if not separator:
                raise HttpError(400, "the request line does not end in HTTP/1.1")
            fields = self.parser.fields_of(b"HTTP/" + fields_text)
            method, _, target = start.partition(b" ")
            return parse_request_line(method, target, fields)
        except HttpError:
            # Had the head come in pieces, this would have been found first.
            validate_beginning(head, 0, self.policy)
            raise


def validate_beginning(octets: bytes | bytearray, scanned: int, policy: Policy) -> None:
    """Raise HttpError where the beginning of a head already breaks a rule.

    The first *scanned* octets have been validated. Of several faults the one that comes first
    in the octets counts, so that the response does not depend on how they were cut.
    """
    faults: list[tuple[int, int, str]] = []  # the octet that makes it one, status, message
    size = len(octets)
    if scanned <= MAX_METHOD and octets != b"\r":  # a CR alone may become an empty line
        method = METHOD.match(octets, 0, MAX_METHOD + 1)
        end = method.end() if method else 0
        if end > MAX_METHOD:  # RFC 9112 §3
            faults.append((MAX_METHOD, 501, "the method is too long"))
        elif end < size and (end == 0 or octets[end] != ord(" ")):
            faults.append((end, 400, "the method is not a token"))
    line_end = octets.find(b"\n", scanned)
    while line_end >= 0:
        if line_end == 0 or octets[line_end - 1] != ord("\r"):
            faults.append((line_end, 400, "a line ends in a bare LF"))  # RFC 9112 §2.2
            break
        line_end = octets.find(b"\n", line_end + 1)
    limit = policy.max_request_line + 2
    if scanned < limit <= size and octets.find(b"\r\n", 0, limit) < 0:
        faults.append((limit - 1, 414, f"the request line is over {limit - 2} bytes"))
    if size > policy.max_head:
        faults.append((policy.max_head, 431, f"the head is over {policy.max_head} bytes"))
    if faults:
        _, status, message = min(faults)
        raise HttpError(status, message)
