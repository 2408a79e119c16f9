"""Packets: the document, the selection of its entries, and its offline verification. Pure."""
