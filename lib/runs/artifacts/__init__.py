"""What lies in a run's files and models, where it is reached, and how it is shown without being run."""
