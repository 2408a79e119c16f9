"""The Overview page in parts: first steps, run cards, model cards and health."""
