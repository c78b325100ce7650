"""Thirteen lessons, from two terminals that talk to an event loop of one's own."""
