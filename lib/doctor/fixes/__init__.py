"""The fixes of the Doctor: each is previewed first, then carried out and verified."""
