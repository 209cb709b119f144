"""Models of one's own, kept in versions that never change: in a folder, in S3, or known to SageMaker."""
