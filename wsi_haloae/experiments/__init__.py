"""What `pipelines/` run: comparisons over several trainings, and slides with known truth to judge them by."""
