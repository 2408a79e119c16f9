"""What a person may change: a run, an experiment, a saved view."""
