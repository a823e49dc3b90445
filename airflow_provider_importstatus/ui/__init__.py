"""The Imports page: its endpoint, and the files that the browser loads."""
