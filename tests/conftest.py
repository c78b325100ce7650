"""What every test shares."""

import importlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

from calcbench import strategies
from calcbench.core.serving.catalogue import names

BUILD = Path(__file__).parent.parent / "build"

set_hypothesis_home_dir(BUILD / "hypothesis")
# No test asserts a duration: a machine may be slow, or busy with another race.
settings.register_profile("calcbench", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calcbench")

# Whoever tests under `nohup` has SIGHUP ignored, and all that the tests start would inherit that.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The driver is calibrated once, and not in the home of whoever tests.
os.environ["XDG_CACHE_HOME"] = str(BUILD / "cache")


@pytest.fixture(params=names())
def strategy(request: pytest.FixtureRequest) -> str:
    """Every strategy, one after the other."""
    name: str = request.param
    return name


@pytest.fixture
def strategies_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that stands for `strategies/`, and of which nothing is known afterwards.

    A module that was imported from it must not be taken for one of the same name in the folder
    of the next test.
    """
    known = take_strategies()
    folder = tmp_path / "strategies"
    folder.mkdir()
    monkeypatch.setattr(strategies, "__path__", [str(folder)])
    importlib.invalidate_caches()
    yield folder
    take_strategies()
    for name, module in known.items():
        sys.modules[name] = module
        setattr(strategies, name.rpartition(".")[2], module)


def take_strategies() -> dict[str, ModuleType]:
    """Forget every strategy that has been imported, and return them."""
    known = {
        name: module
        for name, module in sys.modules.items()
        if name.startswith(f"{strategies.__name__}.")
    }
    for name in known:
        del sys.modules[name]
        with suppress(AttributeError):  # its import failed
            delattr(strategies, name.rpartition(".")[2])
    return known
