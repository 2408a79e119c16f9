"""Changes by users: to runs, experiments and saved views."""
