"""The load driver: a process with one loop, every response checked."""
