"""The HTTP transports that run flows: blocking and asynchronous."""
