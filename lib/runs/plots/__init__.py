"""Pictures of runs, each a pure function from a table of runs to an Altair chart. Which one is drawn, and of which runs, is the page's business."""
