"""The vendors' hooks."""
