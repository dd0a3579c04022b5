"""`amzigo orders`: an order and, where it may be, its people.

Belongs here: what the command says. Does not belong here: who may read what (`people.py`).
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from amzigo_pipelines.cli.options import AsJson, Purpose, RevealPii, Seller, check_purpose
from amzigo_pipelines.cli.output import print_json, print_table, say

app = typer.Typer(help="Single orders.", no_args_is_help=True)


@app.callback()
def _orders() -> None:
    """Single orders."""


@app.command()
def show(
    order_id: Annotated[str, typer.Argument(help="Amazon's order id, such as 902-3159896-1390916.")],
    seller: Seller,
    reveal_pii: RevealPii = False,
    purpose: Purpose = "",
    as_json: AsJson = False,
) -> None:
    """Show an order.

    Without people, unless --reveal-pii is given: then buyer and recipient too while their data lives, and the day since
    which it is gone afterwards. That takes a role which may open PII, and a purpose.

    Example: amzigo orders show 902-3159896-1390916 -s ASYNTHETICNORTH1 --reveal-pii --purpose "case 4711: lost parcel"
    """
    check_purpose(reveal_pii, purpose)
    from amzigo_pipelines.clock import today
    from amzigo_pipelines.people import buyers_of, order_facts
    from amzigo_pipelines.resources.keys.roles import acting_user
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.subjects import check_order_id

    platform = open_platform()
    order_id = check_order_id(order_id)
    facts = order_facts(platform, seller, order_id)
    people = None
    if reveal_pii:
        people = buyers_of(platform, seller, [order_id], purpose=purpose, actor=acting_user())[order_id]
        sentence = people.sentence
    elif facts.dies_on <= today(platform.clock):
        sentence = f"its personal data is gone: its date of death was {facts.dies_on}"
    else:
        sentence = (
            f"personal data is not shown (--reveal-pii); what there is of it dies on {facts.dies_on} at the latest"
        )
    if as_json:
        found: dict[str, Any] = {"order": facts.order, "items": facts.items, "personal_data": sentence}
        if people is not None:
            found["people"] = people.data
            found["gone_since"] = people.gone_since
        print_json(found)
        return
    print_table(f"Order {order_id}", ["column", "value"], facts.order.items())
    for item in facts.items:
        print_table(f"Item {item['order_item_id']}", ["column", "value"], item.items())
    for dataset, rows in (people.data if people is not None else {}).items():
        for row in rows:
            print_table(f"Personal data in {dataset}", ["column", "value"], row.items())
    say(sentence)
