"""What is served: a calculator, and what an answer of it costs."""
