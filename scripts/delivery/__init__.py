"""How a version comes to where it serves: what `scripts/deploy.py` is made of.

The old version serves from the target group `stable`. A new one is started beside it as `canary`, asked some
questions, and gets a growing share of the requests while alarms are watched; only then do `stable` and the
workers get it. Until that last step, going back is one call that moves the weights.
"""
