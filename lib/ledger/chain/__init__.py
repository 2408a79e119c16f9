"""The hash chain of a book, its volumes, and the anchors that can be noted elsewhere. Pure."""
