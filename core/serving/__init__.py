"""How it is served: sockets, the stop signal, and the process that a strategy runs in."""
