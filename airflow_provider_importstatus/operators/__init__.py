"""Operators that submit a file and wait for the end of its import."""
