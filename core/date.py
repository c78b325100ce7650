"""The Date field, which changes once a second and is asked for with every answer."""

from time import gmtime, strftime, time

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class DateLine:
    """A callable that returns the Date field line for now."""

    def __init__(self) -> None:
        self.line = b""
        self.expires = 0.0  # seconds since 1970

    def __call__(self) -> bytes:
        r"""Return ``Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n`` (RFC 9110 §5.6.7)."""
        now = time()
        if now >= self.expires or now < self.expires - 1:  # the clock may have been set back
            self.line = date_line(int(now))
            self.expires = int(now) + 1.0  # after the line, lest another thread see an old one
        return self.line


def date_line(seconds: int) -> bytes:
    """Return the Date field line for *seconds* since 1970; names are English in any locale."""
    moment = gmtime(seconds)
    day, month = DAYS[moment.tm_wday], MONTHS[moment.tm_mon - 1]
    return strftime(f"Date: {day}, %d {month} %Y %H:%M:%S GMT\r\n", moment).encode("ascii")
