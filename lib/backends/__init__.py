"""The stores of runs and models: the `Backend` value (`backend`), the MLflow client (`mlflow_client`), the local file (`sqlite_store`)."""
