"""What is required of the measuring itself, and what a machine makes of it: ``make validate``."""
