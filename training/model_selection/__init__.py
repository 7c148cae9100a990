"""Which head, how strong, how sure: selection, calibration, suppression, label issues."""
