"""The parts of each page, a package for a page. No page imports from another."""
