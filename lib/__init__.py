"""Podium without a browser: one folder per domain term. Imports only go down the layers (see pyproject.toml)."""
