"""Experiments on live traffic: who gets which variant, what candidates would have said, and when to stop."""
