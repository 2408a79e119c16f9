"""Where runs and models live: what a backend is (`uri`), how to reach it (`connect`), and the local SQLite file (`store`)."""
