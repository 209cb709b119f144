"""Envelope encryption: texts are sealed by a tenant's data keys, and these are wrapped by a key elsewhere."""
