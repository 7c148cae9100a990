"""The world of coloured things that the backend's unit tests have, for the tests over a real socket."""

from tests.unit.backend.conftest import world as world
