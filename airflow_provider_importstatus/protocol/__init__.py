"""What vendor hooks are made of, without I/O."""
