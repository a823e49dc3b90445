"""The trigger, and waits that start and end in it."""
