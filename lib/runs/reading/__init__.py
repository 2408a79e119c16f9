"""Read runs, experiments and metric histories: through the MLflow client or, for a local file, by SQL. Writes nothing."""
