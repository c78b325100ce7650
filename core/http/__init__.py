"""The protocol: bytes in, requests out; responses in, bytes out. No sockets and no clocks."""
