"""The hash chain of a book, its volumes, and the anchors that can be stored elsewhere. Pure."""
