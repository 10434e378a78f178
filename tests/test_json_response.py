"""JSONResponse is a Django response that is typed by body and status."""

import pickle
from typing import Literal, get_args, get_type_hints

import pytest
from django.http import HttpResponse
from django.utils.functional import lazystr
from pydantic import BaseModel

from django_routehandlers.responses.json import JSONResponse
from django_routehandlers.responses.jsonable import JSONEncodeError


class ProductOut(BaseModel):
    id: int


Missing = JSONResponse[dict[str, str], Literal[404]]


def find(pk: int) -> JSONResponse[ProductOut] | Missing:
    if pk == 0:
        return JSONResponse({"error": "Not found"}, status=404)
    return JSONResponse(ProductOut(id=pk))


def test_the_body_is_json_with_status_200() -> None:
    response = JSONResponse({"a": [1, None]})
    assert (response.status_code, dict(response.items()), response.content) == (
        200,
        {"Content-Type": "application/json"},
        b'{"a":[1,null]}',
    )


def test_status_and_header_fields_are_set() -> None:
    response = JSONResponse([], status=201, headers={"Location": "/a"})
    assert (response.status_code, dict(response.items())) == (
        201,
        {"Content-Type": "application/json", "Location": "/a"},
    )


def test_a_content_type_of_its_own_replaces_the_default() -> None:
    response = JSONResponse({}, headers={"content-type": "application/geo+json"})
    assert dict(response.items()) == {"content-type": "application/geo+json"}


def test_pydantic_models_are_bodies() -> None:
    assert [find(7).content, find(0).content] == [b'{"id":7}', b'{"error":"Not found"}']


def test_it_is_an_http_response() -> None:
    assert issubclass(JSONResponse, HttpResponse)


def test_body_and_status_can_be_read_from_an_annotation() -> None:
    found, missing = get_args(get_type_hints(find)["return"])
    assert (get_args(found)[0], get_args(missing)) == (ProductOut, (dict[str, str], Literal[404]))


def test_it_can_be_pickled_as_django_caches_do() -> None:
    response = JSONResponse({"a": 1}, status=201)
    assert pickle.loads(pickle.dumps(response)).serialize() == response.serialize()


def test_data_is_kept_as_it_was_given() -> None:
    data = ProductOut(id=7)
    assert JSONResponse(data).data is data


def test_data_is_not_pickled() -> None:
    """Caches keep bytes: data may be what nobody can pickle."""
    response = pickle.loads(pickle.dumps(JSONResponse({"a": lazystr("b")}, status=201)))
    assert (hasattr(response, "data"), response.status_code, response.content) == (False, 201, b'{"a":"b"}')


def test_a_body_without_json_form_is_a_type_error() -> None:
    with pytest.raises(
        JSONEncodeError, match=r"^At #: A set has no order\. Use a list, such as sorted\(values\)\.\nSee JSON in"
    ):
        JSONResponse({1, 2}).content  # noqa: B018 - reading is what encodes
    assert issubclass(JSONEncodeError, TypeError)


def test_it_is_encoded_when_its_content_is_asked_for() -> None:
    response = JSONResponse(data := {"a": 1})
    data["b"] = 2
    assert (response.is_encoded, list(response), response.is_encoded) == (False, [b'{"a":1,"b":2}'], True)
    data["c"] = 3
    assert response.content == b'{"a":1,"b":2}'


def test_content_can_be_replaced_and_appended_to() -> None:
    response = JSONResponse([1])
    response.write("\n")
    assert (response.content, b"".join(response), response.getvalue()) == (b"[1]\n", b"[1]\n", b"[1]\n")
    response.content = b"[2]"
    assert (response.content, response.text) == (b"[2]", "[2]")
