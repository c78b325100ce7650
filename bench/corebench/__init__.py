"""How fast the core is: beside a parser in C, a bare loop, and servers written in C and Rust."""
