"""Statistics: pure functions of what was measured."""
