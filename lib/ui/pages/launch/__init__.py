"""The Launch page in parts: the form, the job and its result."""
