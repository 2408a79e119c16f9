"""Demos: their definitions (`catalogue`) and how they are started as jobs (`demo_jobs`)."""
