"""Two ways of carrying a conversation over HTTP: blocking and asynchronous."""
