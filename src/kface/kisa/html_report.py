"""A document as one HTML file: pictures inside, no script, nothing fetched from anywhere."""

import base64
from html import escape

from kface.kisa.blocks import Break, Document, Heading, Pairs, Picture, Table, Text

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
body { font-family: NanumGothic, "Noto Sans KR", "Malgun Gothic", "Apple SD Gothic Neo", sans-serif; color: #222;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; line-height: 1.5; }
h1 { font-size: 1.8rem; margin-bottom: .2rem; } h2 { margin-top: 2.2rem; border-bottom: 1px solid #bbb; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; font-size: .92rem; }
th, td { border: 1px solid #ccc; padding: .3rem .5rem; text-align: left; overflow-wrap: anywhere; }
th { background: #f0f2f5; } .number { text-align: right; font-variant-numeric: tabular-nums; }
.small { font-size: .88rem; color: #555; } img { max-width: 100%; height: auto; }
.box { padding: .6rem .9rem; border-left: .4rem solid; } .pass { color: #0b6b3a; } .fail { color: #a61b1b; }
.box.pass { background: #eaf6ef; } .box.fail { background: #fbecec; } .warning { background: #fff5d6; color: #6b4a00; }
td.pass, td.fail { font-weight: bold; } figure { margin: 1rem 0; } figcaption { font-size: .85rem; color: #555; }
.pairs { display: flex; flex-wrap: wrap; gap: 1rem; } .pairs figure { width: 18.5rem; margin: 0; }
.pairs img { width: 9rem; } .none { display: inline-block; width: 9rem; height: 6.75rem; background: #ddd; }
footer { margin-top: 3rem; border-top: 1px solid #bbb; } @media print { body { max-width: none; margin: 0; } }
"""


def to_html(document: Document) -> str:
    """Return a document as HTML."""
    body = "\n".join(_block(block) for block in document.blocks)
    return (
        f'<!DOCTYPE html>\n<html lang="{document.language}">\n<head>\n<meta charset="utf-8">\n'
        # Whatever a name in the data base held, a browser would not run it.
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(document.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n"
        f'<footer class="small">{escape(document.footer)}</footer>\n</body>\n</html>\n'
    )


def _block(block: object) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
    if isinstance(block, Text):
        names = {"plain": "", "small": "small"}.get(block.kind, f"box {block.kind}")
        return f'<p class="{names}">{escape(block.text)}</p>' if names else f"<p>{escape(block.text)}</p>"
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Picture):
        caption = f"<figcaption>{escape(block.caption)}</figcaption>" if block.caption else ""
        return f"<figure>{_image(block.data, 'png', block.caption)}{caption}</figure>"
    if isinstance(block, Pairs):
        shown = "".join(
            f"<figure>{_face(first)} {_face(second)}<figcaption>{escape(caption)}</figcaption></figure>"
            for first, second, caption in block.pairs
        )
        return f'<h3>{escape(block.title)}</h3>\n<div class="pairs">{shown}</div>'
    assert isinstance(block, Break)
    return ""


def _table(table: Table) -> str:
    lines = []
    if table.head:
        heads = [
            f'<th class="number">{escape(cell)}</th>' if column in table.numbers else f"<th>{escape(cell)}</th>"
            for column, cell in enumerate(table.head)
        ]
        lines.append("<tr>" + "".join(heads) + "</tr>")
    for row, cells in enumerate(table.rows):
        parts = []
        for column, cell in enumerate(cells):
            names = [table.states.get((row, column), ""), "number" if column in table.numbers else ""]
            label = " ".join(name for name in names if name)
            tag = "th" if not table.head and column == 0 else "td"
            parts.append(
                f'<{tag} class="{label}">{escape(cell)}</{tag}>' if label else f"<{tag}>{escape(cell)}</{tag}>"
            )
        lines.append("<tr>" + "".join(parts) + "</tr>")
    return "<table>" + "\n".join(lines) + "</table>"


def _face(data: bytes | None) -> str:
    return '<span class="none"></span>' if data is None else _image(data, "jpeg", "")


def _image(data: bytes, kind: str, about: str) -> str:
    return f'<img alt="{escape(about)}" src="data:image/{kind};base64,{base64.b64encode(data).decode("ascii")}">'
