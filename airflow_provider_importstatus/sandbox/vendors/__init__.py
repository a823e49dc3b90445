"""The vendors, one file each, as strict as their public pages say they are."""
