"""For the container's HEALTHCHECK: exit code 0 while the service is ready for requests."""

import os
import sys
import urllib.error
import urllib.request

URL = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/health/ready"

try:
    urllib.request.urlopen(URL, timeout=2)
except (urllib.error.URLError, TimeoutError) as exc:
    sys.exit(f"not ready: {exc}")
