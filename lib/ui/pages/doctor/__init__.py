"""The Doctor page in parts: findings, symptoms, the fix dialog, and the report of the session."""
