"""Plain records that cross processes and files: what is asked for, and what was measured."""
