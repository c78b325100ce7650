"""Decides what to run, drives it, measures, draws; owns the command line."""
