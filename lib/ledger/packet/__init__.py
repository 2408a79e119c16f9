"""A packet: the document, which entries belong to it, and its offline verification. Pure."""
