"""The stores of runs and models: the `Backend` value (`backend`), the MLflow client (`mlflow_client`), and the local SQLite file (`sqlite_store`)."""
