"""The Imports page: its endpoint and static files."""
