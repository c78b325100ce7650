"""Coverage-guided fuzzing of a conversation: `make fuzz`, or with atheris installed::

    python tests/fuzz/fuzz_connection.py -max_total_time=60 build/fuzz-corpus

The first octets of an input choose the limits and the cuts; the rest is what the client sends.
`check` holds what must be true of any octets at all; whatever is found goes to `tests/corpus/`.
"""

import sys
from importlib import import_module
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path.insert(0, str(TESTS))  # run as a file, this folder is all that Python sees

KNOBS = 4  # octets of an input that are not sent
SEEDS = TESTS.parent / "build" / "fuzz-corpus"


def main() -> None:
    """Fuzz until told to stop, starting from the corpus."""
    # Asked for by name: it is no dependency of the tests, and says nothing of its types.
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=["calcbench.core"]):
        import_module("calcbench.core.http.connection")
        import_module("calcbench.core.app.application")
    check = import_module("invariants").check
    write_seeds()
    words = f"-dict={Path(__file__).with_name('http.dict')}"
    atheris.Setup(
        [sys.argv[0], words, *(sys.argv[1:] or [str(SEEDS)])],
        lambda data: check(data[KNOBS:], data[:KNOBS]),
    )
    atheris.Fuzz()


def write_seeds() -> None:
    """Write the octets of each case of the corpus where the fuzzer looks for its first inputs."""
    SEEDS.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(import_module("conversation").cases()):
        if len(case.octets) < 1500:  # the rest would only slow it down
            (SEEDS / f"case-{number:04}").write_bytes(bytes(KNOBS) + case.octets)


if __name__ == "__main__":
    main()
