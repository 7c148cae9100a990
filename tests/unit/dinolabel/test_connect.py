"""Which addresses Label Studio can be given for a backend, before anything is made there."""

import pytest

from dinolabel.projects.connect import callable_address
from dinolabel.vision.errors import RequestError


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9090", "http://localhost:9090", "http://[::1]:9090", "https://labels.example.org/dinolabel",
        "http://backend.internal:9090", "http://Build_Box.local:9090",
    ],
)  # fmt: skip
def test_an_address_that_label_studio_takes(url: str) -> None:
    assert callable_address(url) == url


@pytest.mark.parametrize(
    ("url", "why"),
    [("http://backend:9090", "no dot"), ("backend:9090", "no address"), ("http://", "no address"), ("http://a.b:99999", "no address")],
)
def test_one_that_it_refuses_is_told_before_a_project_is_made(url: str, why: str) -> None:
    with pytest.raises(RequestError, match=why):
        callable_address(url)


def test_without_one_it_polls() -> None:
    assert callable_address(None) is None
