"""How a wait goes on and ends, without I/O."""
