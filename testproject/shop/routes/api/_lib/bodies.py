"""Read a JSON body by hand. A private folder such as this one is never a route."""

from typing import TypeVar

import orjson
from django.core.exceptions import BadRequest
from django.http import HttpRequest
from pydantic import BaseModel, ValidationError

from django_routehandlers import JSONResponse

Model = TypeVar("Model", bound=BaseModel)


def read_body(request: HttpRequest, model: type[Model]) -> Model:
    """
    Return the JSON body of the request as *model*.

    Raises:
        BadRequest: The body is not JSON.
        ValidationError: It is JSON, and not what *model* asks for; see ``invalid()``.
    """
    try:
        data = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error}") from error
    return model.model_validate(data)


def invalid(error: ValidationError) -> JSONResponse:
    """Return the 422 that lists all that is wrong with a body."""
    return JSONResponse(
        {"errors": error.errors(include_url=False, include_context=False, include_input=False)},
        status=422,
    )
