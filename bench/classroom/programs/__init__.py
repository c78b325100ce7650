"""The programs of the lessons, which import nothing of ours; `lessons.program` reads them.

Each file is a solution, and the student's beginning as well: ``# +`` behind a line marks what
is hers to write, and ``# -`` before one what stands there at first.
"""
