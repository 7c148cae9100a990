"""Trainings off the requests' path: the table of jobs and the loop that runs them in child processes."""
