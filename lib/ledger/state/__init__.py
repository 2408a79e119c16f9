"""The state derived from the entries of a book: replay, holdings, imported holdings and corrections. Pure."""
