"""Names under which Label Studio knows us, said once, so that who connects us and who answers mean the same."""

from __future__ import annotations

TITLE = "dinolabel"
"""Our backend's title in Label Studio; `project.model_version` of this value means: ask that backend."""

SECRET_HEADER = "X-Dinolabel-Secret"
"""Of our webhook, where there is a secret: Label Studio sends no Basic auth with webhooks."""
