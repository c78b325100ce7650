"""One file is one demonstration: a record in words, a run on real servers, and what it found."""
