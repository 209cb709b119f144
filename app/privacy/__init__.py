"""What users may expect of what is kept about them: to see it, to have it erased, to have it locked away."""
