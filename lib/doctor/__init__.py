"""What is wrong with a backend and how to fix it: `checks` report findings, `fixes` are previewed before they are applied."""
