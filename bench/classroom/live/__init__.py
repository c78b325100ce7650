"""Two servers side by side on a page: every request as a bar, while the class presses buttons."""
