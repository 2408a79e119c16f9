"""Charts of a book: holdings over time, and a metric per version. Pure."""
