"""The lessons themselves, a file each: texts, and what a check holds the program to."""
