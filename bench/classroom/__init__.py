"""The classroom: demos, lessons, the autograder, and what is shown on a projector."""
