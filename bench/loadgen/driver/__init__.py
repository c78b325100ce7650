"""The load driver: a process with one epoll loop, every response checked."""
