"""What the entries of a book add up to: the replay, holdings, imported holdings and corrections. Pure."""
