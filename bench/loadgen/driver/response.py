"""Check a response as strictly as a client may: its status, its framing, and its number.

A request ends in exactly one of the `OUTCOMES`; their places in that tuple are the codes which
the driver records and the sample files hold. Where a response ends is said in
`calcbench.bench.loadgen.driver.framing`.
"""

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING

from calcbench.bench.loadgen.driver.framing import (
    HEAD_END,
    Head,
    Incoming,
    parse_any_head,
    parse_head,
)
from calcbench.bench.loadgen.driver.ledger import Fault
from calcbench.bench.loadgen.driver.quoting import quote
from calcbench.bench.schema.outcomes import HTTP_ERROR, OK, WRONG

if TYPE_CHECKING:
    from calcbench.bench.loadgen.spec import Ask

NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")  # RFC 8259 §6
MAX_HEADS = 256  # memoised heads; a server has a handful for each second (Date, Content-Length)
MAX_NUMBER = 64 * 1024  # bytes in which a calculator states a number, however it spells it


def is_right(body: bytes, expected: bytes) -> bool:
    """Tell whether *body* states the number that *expected* states, in whatever spelling."""
    if body == expected:
        return True
    stated, right = stated_number(body), stated_number(expected)
    return stated is not None and stated == right


def stated_number(body: bytes) -> Decimal | None:
    """Return the number in a plain body, ``5``, or a JSON one, ``{"result": 5}``; else None."""
    body = body.strip()
    if body.startswith(b"{"):
        try:
            found = json.loads(body, parse_int=Decimal, parse_float=Decimal)
        except (ValueError, ArithmeticError, RecursionError):
            return None
        result = found.get("result")
        return result if isinstance(result, Decimal) else None
    return Decimal(body.decode()) if NUMBER.fullmatch(body) else None


class Checker:
    """What the right responses to a load are; without an *ask*, those of a calculator.

    *lengths* holds the heads of right responses that need no second look, with the length of the
    body behind them, where the connection stays.
    """

    def __init__(self, ask: "Ask | None", *, keep_alive: bool) -> None:
        self.ask, self.keep_alive = ask, keep_alive
        self.heads: dict[bytes, Head] = {}
        self.lengths: dict[bytes, int] = {}

    def is_right_at_sight(self, data: bytes, expected: bytes | None) -> bool:
        """Tell whether *data* is the whole of a right response whose head was seen before."""
        head, _, body = data.partition(HEAD_END)
        return self.lengths.get(head) == len(body) and (body == expected or expected is None)

    def incoming(self, expected: bytes | None) -> Incoming:
        """Return what takes in a response where *expected* is the right body, None: any.

        It keeps no more of a body, which may be endless, than it takes to see that it is wrong.
        """
        most = 0
        if expected is not None:
            most = len(expected) + 1 if self.ask else MAX_NUMBER
        return Incoming(self.learn, most=most, lenient=self.ask is not None)

    def outcome_of(self, incoming: Incoming, expected: bytes | None) -> int:
        """Return the outcome of a whole response where *expected* is the right body, None: any."""
        fault = self.fault_of(incoming, expected)
        return fault.outcome if fault else OK

    def fault_of(self, incoming: Incoming, expected: bytes | None) -> Fault | None:
        """Return why a whole response is not right, None for one that is, as for `outcome_of`."""
        assert incoming.head
        if not self.is_right_status(incoming.head.status):
            return Fault(HTTP_ERROR, f"status {incoming.head.status:03}")
        if expected is None:
            return None
        body = incoming.body
        if body == expected:
            return None
        if not self.ask and incoming.size <= MAX_NUMBER and is_right(body, expected):
            return None
        return Fault(WRONG, "wrong body", f"{quote(body)} should be {quote(expected)}")

    def is_right_status(self, status: int) -> bool:
        """Tell whether *status* is what was to be expected.

        From 600 on it is taken for one of 5xx, and so it is below 100 (RFC 9110 §15).
        """
        ask = self.ask
        if ask and not ask.status:
            return 200 <= status < 400
        return status == (ask.status if ask else 200)

    def learn(self, head: bytes) -> Head:
        """Return what a *head* says, from memory if it was seen before; raises FramingError."""
        known = self.heads.get(head)
        if known:
            return known
        ask = self.ask
        found = parse_any_head(head, method=ask.method) if ask else parse_head(head)
        if len(self.heads) >= MAX_HEADS:  # they change with the Date: start afresh
            self.heads.clear()
            self.lengths.clear()
        self.heads[head] = found
        if self.is_right_status(found.status) and found.keep_alive and self.keep_alive:
            self.lengths[head] = found.length
        return found
