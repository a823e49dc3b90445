"""One hook a vendor: its connection, its login, its questions, its words."""
