"""Parts of the Launch page: the form, the job and its result."""
