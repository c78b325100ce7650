"""What all servers share: HTTP, the calculator, sockets and processes. Standard library only."""
