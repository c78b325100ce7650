"""The secret of a run: who knows it may join, and nobody else; and whether Locust is installed."""

import importlib.util
import os
import secrets

from calcbench.core.errors import UsageError

VARIABLE = "CALCBENCH_SECRET"  # in the environment, where other users do not see it, as with `ps`
LEAST, MOST = 16, 200  # characters: fewer can be guessed from what is recorded on the network
INSTALL = "pip install 'calcbench[locust]'"


def new_secret() -> str:
    """Return one that nobody can guess."""
    return secrets.token_hex(16)


def secret_from(text: str) -> str:
    """Return *text* if it will do as a secret; raises UsageError."""
    if not (LEAST <= len(text) <= MOST and text.isascii() and text.isprintable()):
        raise UsageError(
            f"a secret ({VARIABLE}) should be {LEAST} to {MOST} characters of ASCII;"
            " leave it out, and the run makes one and prints it"
        )
    return text


def given_secret() -> str:
    """Return the secret that the environment has for a run, or nothing; raises UsageError."""
    text = os.environ.get(VARIABLE, "")
    return secret_from(text) if text else ""


def need_locust(what: str) -> None:
    """Raise UsageError where Locust, which *what* needs, is not installed, or cannot work."""
    if not hasattr(os, "pidfd_open"):
        raise UsageError(f"{what} works on Linux alone")
    if importlib.util.find_spec("locust") is None:
        raise UsageError(f"{what} needs Locust: {INSTALL}")
