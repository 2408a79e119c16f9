"""Artifacts of runs and models: where they are, how to reach them, and how to show them without running them."""
