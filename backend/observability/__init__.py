"""How the backend is, for those who watch over it: metrics, readiness, traces."""
