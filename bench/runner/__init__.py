"""Carry out a plan on a subject: our strategies, or somebody else's server."""
