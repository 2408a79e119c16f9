"""Background jobs that outlive the server: a job's folder (`job_folder`), the queue (`job_queue`), and the runner (`job_runner`)."""
