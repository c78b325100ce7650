"""One file is one way to wait for many clients. Standard library and `calcbench.core` only."""
