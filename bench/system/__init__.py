"""The machine: its cores, what its kernel tells in /proc, and whether it is fit for a race."""
