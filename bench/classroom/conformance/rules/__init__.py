"""The rules, those of one kind in a file."""
