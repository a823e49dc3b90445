"""The implementation of the shell commands."""
