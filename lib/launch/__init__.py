"""Training as a job: the demos on offer (`catalogue`), their start as jobs (`demo_jobs`), and jobs that outlive the server (`jobs`)."""
