"""What is served: a calculator, and what a response of it costs."""
