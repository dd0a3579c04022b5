# ruff: noqa: RUF001 -- Turkish has letters that look like Latin ones
"""What Amazon calls the columns of its reports in other languages, and the columns that nobody needs.

Belongs here: facts about headers. Does not belong here: comparing them (`resources/reports/headers.py` ignores case,
width, spaces, hyphens and underscores, so a spelling that differs in nothing else is not listed), and what a column
means (each dataset's module).

Source: reports of sellers in these countries, as published by users of the API. Amazon documents English headers only,
and does not say which reports it translates; a header that is missing here is reported as drift, and its values are
kept.
"""

from __future__ import annotations

from collections.abc import Mapping

_LISTINGS: Mapping[str, tuple[str, ...]] = {
    "item-name": (
        "Artikelbezeichnung", "商品名", "商品名称", "nom-produit", "Nome dell'articolo", "Título del producto",
        "item-name (ürün adı)",
    ),
    "item-description": ("Artikelbeschreibung", "商品の説明", "商品描述"),
    "listing-id": ("Angebotsnummer", "出品ID", "listing-id (liste kaydı numarası)"),
    "seller-sku": (
        "Händler-SKU", "出品者SKU", "卖家 SKU", "sku-vendeur", "SKU venditore", "SKU del vendedor",
        "seller-sku (satıcı sku)",
    ),
    "price": ("Preis", "価格", "价格", "prix", "Prezzo", "Precio", "price (fiyat)"),
    "quantity": ("Menge", "数量", "quantité", "Quantità", "Cantidad", "quantity (adet)"),
    "open-date": (
        "Erstellungsdatum", "出品日", "开售日期", "Data di creazione", "Fecha de creación",
        "open-date (yayınlanma tarihi)",
    ),
    "item-is-marketplace": ("Artikel ist Marketplace-Angebot", "是否为商城中的商品"),
    "product-id-type": (
        "Produkt-ID-Typ", "商品IDタイプ", "商品编码类型", "type-id-produit", "Tipo di identificativo del prodotto",
        "Tipo de identificador de producto", "product-id-type (ürün numarası türü)",
    ),
    "item-note": ("Anmerkung zum Artikel", "コンディション説明", "商品备注", "item-note (ürün notu)"),
    "item-condition": (
        "Artikelzustand", "コンディション", "商品状况", "état-produit", "Condizione dell'articolo",
        "Estado del producto", "item-condition (ürün durumu)",
    ),
    "will-ship-internationally": (
        "Internationaler Versand", "国外へ配送可", "国际配送", "will-ship-internationally (uluslararası gönderilir)",
    ),
    "expedited-shipping": ("迅速な配送", "加急配送", "expedited-shipping (ekspres kargo)"),
    "product-id": (
        "Produkt-ID", "商品ID", "商品编码", "id-produit", "Identificativo del prodotto", "Identificador del producto",
        "product-id (ürün numarası)",
    ),
    "add-delete": ("hinzufügen-löschen", "添加-删除"),
    "pending-quantity": ("Anzahl Bestellungen", "在庫数", "等待购买数量", "pending-quantity (bekleyen adet)"),
    "fulfillment-channel": (
        "fulfilment-channel", "Versender", "フルフィルメント・チャンネル", "配送渠道", "canal-traitement",
        "Canale di gestione", "Canal de gestión logística", "fulfillment-channel (dağıtım kanalı)",
    ),
    "merchant-shipping-group": (
        "Händlerversandgruppe", "卖家配送组", "merchant-shipping-group (satıcı kargo grubu)",
    ),
    "status": ("ステータス", "状态", "état", "stato", "estado", "durum"),
    "minimum-order-quantity": ("Mindestbestellmenge", "Minimum sipariş adedi"),
    "sell-remainder": ("Restposten verkaufen", "Elde kalanı sat"),
    "points": ("ポイント",),
    "business-price": ("法人価格",),
    "tax-code": ("商品税コード",),
}  # fmt: skip

_FEEDBACK: Mapping[str, tuple[str, ...]] = {
    "Date": ("Datum", "日付", "Data", "Fecha"),
    "Rating": ("Bewertung", "評価", "Évaluation", "Valutazione", "Beoordeling", "Ocena"),
    "Comments": ("Kommentare", "コメント", "Commentaire", "Commenti", "Comentarios", "Opmerkingen", "Komentarze"),
    "Your Response": ("Response", "Antwort", "Ihre Antwort", "返答", "Risposta", "Antwoord", "Odpowiedź"),
    "Order ID": ("Bestellnummer", "注文番号", "Numero ordine", "Número de pedido", "Bestelnummer", "Numer zamówienia"),
    "Rater Email": (
        "E-Mail des Bewerters", "評価者のEメール", "E-mail de l'évaluateur", "E-mail autore della valutazione",
        "E-mail del cliente", "E-mail van beoordelaar", "E-mail oceniającego",
    ),
}  # fmt: skip

SPELLINGS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "GET_MERCHANT_LISTINGS_ALL_DATA": _LISTINGS,
    "GET_SELLER_FEEDBACK_DATA": _FEEDBACK,
}
"""For each report type that Amazon translates: English header -> its other spellings."""

UNWANTED: Mapping[str, tuple[str, ...]] = {
    "GET_MERCHANT_LISTINGS_ALL_DATA": (
        "item-description", "image-url", "item-is-marketplace", "zshop-shipping-fee", "item-note", "zshop-category1",
        "zshop-browse-path", "zshop-storefront-feature", "asin2", "asin3", "will-ship-internationally",
        "expedited-shipping", "zshop-boldface", "bid-for-featured-placement", "add-delete", "pending-quantity",
        "merchant-shipping-group", "minimum-order-quantity", "sell-remainder", "points", "business-price", "tax-code",
    ),
}  # fmt: skip
"""For each report type the English headers that were looked at and are not stored: nobody's data, and of no use."""
