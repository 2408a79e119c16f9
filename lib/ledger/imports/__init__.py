"""Files with decisions from before the record, parsed into entries. Pure."""
