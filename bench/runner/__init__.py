"""TODO bench/runner."""
