"""The Doctor's fixes: each is previewed, then applied and verified."""
