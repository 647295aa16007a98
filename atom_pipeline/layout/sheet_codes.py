"""The values a field may have, as field lists write them: ``1-Ativo; 2-Baixado``, ``S/N``, ``fixo '1'``."""

from __future__ import annotations

import re

_CODE = re.compile(r"""["'“‘]?([A-Za-z0-9]{1,10})["'”’]?\s*(?:[-–—=:]|=>|\()\s*(.+?)\)?""")
_LONE_CODE = re.compile(r"""((?:fixo|constante|sempre|igual a)?\s*:?\s*["'“‘]?)([A-Z0-9]{1,10})["'”’]?""", re.I)
_MEANINGS = {"S": "sim", "N": "não"}


def constant_in(text: str, constant: str, width: int | None) -> str | None:
    """The one value of a field: said in a column of constants, as ``fixo 1`` or ``'1'``, or a code of its width."""
    lone = _LONE_CODE.fullmatch(constant or text)
    if lone is None or (width is not None and len(lone[2]) > width):
        return None
    code = lone[2]
    surely = constant or lone[1].strip() or code.isdecimal() or (code.isupper() and len(code) == width)
    return code if surely else None


def codes_in(text: str) -> dict[str, str]:
    """Codes and meanings of ``1-Ativo; 2-Baixado``, ``S/N``, ``F=física, J=jurídica``; empty when it is no list."""
    for mark in (r"\s*[;|]\s*", r"\s*,\s*", r"\s*/\s*|\s+ou\s+|\s+e\s+"):
        items = [item for item in re.split(mark, text) if item]
        if len(items) < 2:
            continue
        found = [_CODE.fullmatch(item) for item in items]
        if all(found):
            return {code[1]: code[2].strip() for code in found if code}
        alone = [code[2] for item in items if (code := _LONE_CODE.fullmatch(item)) and code[2] == code[2].upper()]
        if len(alone) == len(items):
            return {code: _MEANINGS.get(code, code) for code in alone}
    one = _CODE.fullmatch(text)
    return {one[1]: one[2].strip()} if one and len(one[1]) <= 2 else {}
