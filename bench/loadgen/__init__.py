"""Making load: what to drive and how, the drivers, and what they saw together."""
