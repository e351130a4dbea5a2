"""Encodings from before Unicode, and which of them bytes are likely in."""

from __future__ import annotations

from charset_normalizer import from_bytes

LEGACY = [
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874",
    "koi8_r", "mac_roman", "cp932", "euc_jp", "gb18030", "big5", "cp949", "euc_kr",
]  # fmt: skip
"""Encodings other than Unicode that files of people come in, as Python names them."""
WESTERN = set("äöüßéèêëàâáãåçîïíìôóòõûùúœæñøÿÄÖÜẞÉÈÊËÀÂÁÃÅÇÎÏÍÌÔÓÒÕÛÙÚŒÆÑØ€£§°–—“”„‘’‚«»‹›…·´•™®©¿¡ºª\xa0")
"""Signs of Western European texts, most of which have the same bytes in the Central European encoding."""


def detect(data: bytes) -> str:
    """The likeliest encoding of bytes that are not Unicode; Windows-1252 where nothing speaks for another."""
    best = from_bytes(data, cp_isolation=LEGACY, enable_fallback=False).best()
    western = data.decode("cp1252", "replace")
    if best is None or {sign for sign in western if not sign.isascii()} <= WESTERN:
        return "cp1252"
    return best.encoding
