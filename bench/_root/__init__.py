"""A wind tunnel for server concurrency.

The parts are `calcbench.core`, `calcbench.strategies` and `calcbench.bench`.
"""

__version__ = "0.1.0"  # pyproject.toml reads it from here, CITATION.cff repeats it
