"""Diagnosis of a backend: `checks` report findings; `fixes` are previewed before they are applied."""
