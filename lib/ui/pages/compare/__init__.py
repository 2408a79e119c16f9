"""The Compare page in parts: what the address says, what is read for it, the toolbar, one module per plot, the table, the differences."""
