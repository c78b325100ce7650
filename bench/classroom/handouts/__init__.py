"""Sheets of paper for a class: to predict on, and the solutions, of every lesson and demo."""
