"""Simulated vendors, one module each, as strict as the vendors' public pages say they are."""
