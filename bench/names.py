"""Read a list of names, as the programs behind make take it with ``--only``."""

from collections.abc import Collection

from calcbench.core.errors import UsageError
from calcbench.core.options import nearest


def parse_names(text: str, known: Collection[str], noun: str) -> list[str]:
    """Return the names in *text*, which have commas between them.

    Raises UsageError for one that is not *known*; *noun* is what each is a name of.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise UsageError(f"no {noun} {name!r}{nearest(name, known)}")
    return names
