"""`/v1/files` and `/v1/fine_tuning/jobs` as OpenAI's API has them: a file is an uploaded data set, a job is a run."""
