"""Label Studio's settings for the server that we start, with one answer of our own. Imported by Label Studio's process only.

Its pages ask its server for `/heidi-tips`, and the server fetches them from raw.githubusercontent.com: 1.23.2 has no switch for it.
"""
# mypy: ignore-errors

from core.settings.base import *  # noqa: F403 - first: the next line already looks settings up, here, before it is done
from django.http import JsonResponse
from label_studio.core.settings.label_studio import *  # noqa: F403


def without_tips(get_response):
    """A middleware that answers as Label Studio does where GitHub is out of reach, without asking GitHub."""

    def answer(request):
        return JsonResponse({}, status=404) if request.path.rstrip("/") == "/heidi-tips" else get_response(request)

    return answer


MIDDLEWARE = [f"{__name__}.without_tips", *MIDDLEWARE]  # noqa: F405
