"""Components of the Models page: cards, version table, drift, and the register and move dialogs."""
