"""What every test shares."""

import os
from pathlib import Path

from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

BUILD = Path(__file__).parent.parent / "build"

set_hypothesis_home_dir(BUILD / "hypothesis")
# No test asserts a duration: a machine may be slow, or busy with another race.
settings.register_profile("calcbench", deadline=None)
settings.load_profile("calcbench")

# The driver is calibrated once, and not in the home of whoever tests.
os.environ["XDG_CACHE_HOME"] = str(BUILD / "cache")
