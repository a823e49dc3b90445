"""Tasks that wait for imports: what sensors and operators have in common."""
