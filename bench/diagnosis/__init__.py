"""Whose figures these are: the server's, the driver's, or somebody else's."""
