"""The HTTP door: server, secret and origin, error table, page, metrics, OpenAPI."""
