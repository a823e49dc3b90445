"""What runs the flows of hooks."""
