"""The price list as a CSV file: fetch it, change prices in a spreadsheet, send it back."""

import csv
import io
from typing import Annotated, Literal

from django.core.exceptions import BadRequest
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpResponse
from pydantic import AfterValidator, BaseModel, TypeAdapter, ValidationError

from django_routehandlers import JSONResponse
from shop.models import Product
from shop.schemas import Conflict, Price, Text

MAX_SIZE = 100_000  # bytes
MAX_ROWS = 1000


class Changed(BaseModel):
    """What a new price list has done."""

    changed: int


def _is_small(file: UploadedFile) -> UploadedFile:
    if (file.size or 0) > MAX_SIZE:
        raise ValueError(f"a price list has at most {MAX_SIZE} bytes")
    return file


PriceList = Annotated[UploadedFile, AfterValidator(_is_small)]
HEADER = ["slug", "price"]
ROWS = TypeAdapter(list[tuple[Text, Price]])


def GET() -> HttpResponse:
    """Return the price list."""
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    writer = csv.writer(response)
    writer.writerow(HEADER)
    writer.writerows(Product.objects.values_list("slug", "price"))
    return response


def PUT(prices: PriceList) -> Changed | JSONResponse[Conflict, Literal[409]]:
    """
    Replace prices by those of a list, all or none.

    The file is CSV in UTF-8 with the columns `slug` and `price`. What is not in it stays as it is.
    """
    wanted = read_prices(prices)
    with transaction.atomic():
        # Locked in the order of their numbers, as orders do: otherwise the two could lock each other out.
        products = list(Product.objects.select_for_update().filter(slug__in=wanted).order_by("pk"))
        if missing := sorted(wanted.keys() - {product.slug for product in products}):
            return JSONResponse(Conflict(error=f"There is no product {missing[0]}."), status=409)
        for product in products:
            product.price = wanted[product.slug]
        Product.objects.bulk_update(products, ["price"])
    return Changed(changed=len(products))


def read_prices(file: UploadedFile) -> dict[str, Price]:
    """
    Return slug → price of a CSV file.

    Raises:
        BadRequest: It is no such file.
    """
    try:
        lines = [line for line in csv.reader(io.StringIO(file.read().decode("utf-8-sig"), newline="")) if line]
        if lines[:1] != [HEADER]:
            raise BadRequest("The first line has to be slug,price.")
        if len(lines) > 1 + MAX_ROWS:
            raise BadRequest(f"A price list has at most {MAX_ROWS} rows.")
        return dict(ROWS.validate_python(lines[1:]))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadRequest(f"The file is not CSV in UTF-8: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise BadRequest(f"Row {int(first['loc'][0]) + 1}: {first['msg']}.") from error
