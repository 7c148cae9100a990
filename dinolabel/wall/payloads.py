"""What the wall's page may send, read by pydantic; what makes no sense is refused by name."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, ValidationError

from dinolabel.vision.errors import RequestError
from dinolabel.wall.journal import CropKey

Body = TypeVar("Body", bound=BaseModel)
Crops = Annotated[list[CropKey], Field(max_length=100_000)]


class NoBody(BaseModel):
    """Of a request that says all by its path."""


class AnswerBody(BaseModel):
    """An answer about crops. add: a new name may be put into the project. page: where it was given."""

    kind: str
    crops: Crops
    name: str = Field("", max_length=500)
    add: bool = False
    page: str = Field("", max_length=100)


class SuggestedGroup(BaseModel):
    """A group as it was suggested."""

    id: int
    likeness: float


class PageBody(BaseModel):
    """The answer to a page of suggestions. chosen: ids of the groups that bear the name."""

    name: str = Field(max_length=500)
    page: list[SuggestedGroup]
    chosen: list[int] = []


class SplitBody(BaseModel):
    """Crops that become a group of their own."""

    group: int
    crops: Crops


class MergeBody(BaseModel):
    """Groups that become one."""

    groups: list[int] = Field(min_length=1)


class FindBody(BaseModel):
    """Examples, and what is not meant."""

    crops: Crops
    against: Crops = []


def read_body(kind: type[Body], mimetype: str, data: bytes) -> Body:
    """What was sent. Only as application/json, which no form of another page can send. Raises RequestError."""
    if mimetype != "application/json":
        raise RequestError("Send JSON.", hint="Content-Type: application/json")
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise RequestError(f"What was sent makes no sense: {where}: {first['msg']}.", hint="Load the page again.") from error
