"""Servers under many clients, under faults, and over time: `make soak`."""
