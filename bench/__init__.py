"""Benchmarks of what a wait costs: `make bench`."""
