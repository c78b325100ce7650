"""Bytes in, bytes out; sockets; starting and stopping a server. Standard library only."""
