"""Parts of the Overview page: first steps, run cards, model cards and health."""
