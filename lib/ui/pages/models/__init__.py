"""The Models page in parts: cards, versions, drift, and the dialogs that register and move."""
