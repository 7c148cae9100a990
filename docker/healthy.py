"""Exit code 0 when this container's own service answers 200: `python3 healthy.py PORT PATH`. Needs nothing but Python, heeds no proxy."""

from __future__ import annotations

import sys
from http.client import HTTPConnection, HTTPException


def healthy(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=4)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if healthy(int(sys.argv[1]), sys.argv[2]) else 1)
