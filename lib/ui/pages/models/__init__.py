"""The Models page in parts: cards, versions, and the dialogs that register and move."""
