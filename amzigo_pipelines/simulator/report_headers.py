"""What Amazon calls the columns of a report in German and in Japanese.

Belongs here: translations of headers, for the reports that have them. Does not belong here: what stands below them.
"""

from __future__ import annotations

from collections.abc import Mapping

_LISTINGS_DE = {
    "item-name": "Artikelbezeichnung",
    "item-description": "Artikelbeschreibung",
    "listing-id": "Angebotsnummer",
    "seller-sku": "Händler-SKU",
    "price": "Preis",
    "quantity": "Menge",
    "open-date": "Erstellungsdatum",
    "item-is-marketplace": "Artikel ist Marketplace-Angebot",
    "product-id-type": "Produkt-ID-Typ",
    "item-note": "Anmerkung zum Artikel",
    "item-condition": "Artikelzustand",
    "asin1": "ASIN 1",
    "asin2": "ASIN 2",
    "asin3": "ASIN 3",
    "will-ship-internationally": "Internationaler Versand",
    "product-id": "Produkt-ID",
    "add-delete": "hinzufügen-löschen",
    "pending-quantity": "Anzahl Bestellungen",
    "fulfillment-channel": "Versender",
    "merchant-shipping-group": "Händlerversandgruppe",
    "status": "Status",
}
_LISTINGS_JA = {
    "item-name": "商品名",
    "listing-id": "出品ID",
    "seller-sku": "出品者SKU",
    "price": "価格",
    "quantity": "数量",
    "open-date": "出品日",
    "product-id-type": "商品IDタイプ",
    "item-note": "コンディション説明",
    "item-condition": "コンディション",
    "asin1": "ASIN 1",
    "will-ship-internationally": "国外へ配送可",
    "expedited-shipping": "迅速な配送",
    "product-id": "商品ID",
    "pending-quantity": "在庫数",
    "fulfillment-channel": "フルフィルメント・チャンネル",
    "merchant-shipping-group": "merchant-shipping-group",
    "status": "ステータス",
}

LISTINGS: Mapping[str, Mapping[str, str]] = {"de": _LISTINGS_DE, "ja": _LISTINGS_JA}
"""By language: English header to Amazon's. In German the others stay English; in Japanese there are no others."""

FEEDBACK: Mapping[str, tuple[str, ...]] = {
    "en": ("Date", "Rating", "Comments", "Your Response", "Order ID", "Rater Email"),
    "de": ("Datum", "Bewertung", "Kommentare", "Ihre Antwort", "Bestellnummer", "E-Mail des Bewerters"),
    "ja": ("日付", "評価", "コメント", "返答", "注文番号", "評価者のEメール"),
}
"""By language: the header of the report of feedback; where a language is missing it is English."""
