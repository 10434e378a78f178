"""The newsletter."""

from typing import Annotated

from django_routehandlers import Form, Throttle
from shop.models import Subscriber
from shop.schemas import Subscription

# Nobody has to log in, and each call may have a letter sent to somebody else.
throttle = [Throttle("60/minute", key="ip"), Throttle("500/day", key="ip")]


async def POST(form: Annotated[Subscription, Form()]) -> Subscription:
    """
    Subscribe to the newsletter.

    Who has subscribed already gets it about these topics from now on.
    """
    # One statement: who subscribes twice at once is there once.
    await Subscriber.objects.abulk_create(
        [Subscriber(email=form.email, topics=form.topics)],
        update_conflicts=True,
        unique_fields=["email"],
        update_fields=["topics"],
    )
    return form
