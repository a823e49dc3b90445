"""What a wait costs, measured on this machine: `make bench`."""
