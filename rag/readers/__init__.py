"""Readers that ask a service about pages; each is a `rag.ingest.DocumentParser` around the local one."""
