"""A document as PDF, by ReportLab: the fonts are embedded, so that Hangul is there everywhere, and text can be searched."""

import io
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Image, KeepTogether, PageBreak, Paragraph, SimpleDocTemplate, Spacer
from reportlab.platypus import Table as PdfTable

from kface.kisa.blocks import Break, Document, Heading, Pairs, Picture, Table, Text
from kface.kisa.fonts import NAME, font_file
from kface.kisa.wording import Words

BOLD: Final = f"{NAME}Bold"
MARGIN: Final = 18 * mm
#: Of what is written: a frame of ReportLab's keeps 6 points on each side.
WIDTH: Final = A4[0] - 2 * MARGIN - 12
#: Pairs side by side.
ACROSS: Final = 3

_GREEN, _RED = colors.HexColor("#0b6b3a"), colors.HexColor("#a61b1b")
_LINE, _GREY = colors.HexColor("#c4c8cf"), colors.HexColor("#555555")
_BOXES: Final = {
    "pass": (_GREEN, colors.HexColor("#eaf6ef")),
    "fail": (_RED, colors.HexColor("#fbecec")),
    "warning": (colors.HexColor("#6b4a00"), colors.HexColor("#fff5d6")),
}


def _style(name: str, size: float, bold: bool = False, **more: Any) -> ParagraphStyle:
    made = {"leading": size * 1.45, "fontName": BOLD if bold else NAME, "fontSize": size, **more}
    return ParagraphStyle(name, **made)


def _styles() -> dict[str, ParagraphStyle]:
    cell: dict[str, Any] = {"leading": 11, "splitLongWords": 1}
    return {
        "h1": _style("h1", 21, True, spaceAfter=2 * mm),
        "h2": _style("h2", 13.5, True, spaceBefore=5 * mm, spaceAfter=2 * mm),
        "h3": _style("h3", 10.5, True, spaceBefore=3.5 * mm, spaceAfter=1.5 * mm),
        "plain": _style("plain", 9.5, spaceAfter=2 * mm),
        "small": _style("small", 8.2, textColor=_GREY, spaceAfter=1.5 * mm),
        "caption": _style("caption", 7.6, textColor=_GREY),
        "cell": _style("cell", 8, **cell),
        "number": _style("number", 8, alignment=TA_RIGHT, **cell),
        "head": _style("head", 8, True, **cell),
        "head_number": _style("head_number", 8, True, alignment=TA_RIGHT, **cell),
        "cell_pass": _style("cell_pass", 8, True, textColor=_GREEN, **cell),
        "cell_fail": _style("cell_fail", 8, True, textColor=_RED, **cell),
    }


def to_pdf(document: Document) -> bytes:
    """Return a document as PDF; raises ConfigError where the font is absent."""
    for name, path in ((NAME, font_file()), (BOLD, font_file(bold=True))):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, str(path)))
    styles = _styles()
    out = io.BytesIO()
    template = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=14 * mm,
        bottomMargin=16 * mm,
        title=document.title,
        author="kface",
        subject=document.footer,
        lang=document.language,
        # Equal documents make equal files.
        invariant=1,
    )
    story: list[Any] = []
    for block in document.blocks:
        story += _flowables(block, styles)
    template.build(_together(story), canvasmaker=_numbered(document))
    return out.getvalue()


def _together(story: list[Any]) -> list[Any]:
    """Keep headings on the page of what follows them."""
    made: list[Any] = []
    held: list[Any] = []
    for part in story:
        held.append(part)
        heading = isinstance(part, Paragraph) and part.style.name in ("h2", "h3")
        if heading:
            continue
        splits = isinstance(part, PdfTable) and len(held) > 1 and len(part._cellvalues) > 12
        made += held if len(held) == 1 or splits else [KeepTogether(held)]
        held = []
    return made + held


def _flowables(block: object, styles: dict[str, ParagraphStyle]) -> list[Any]:
    if isinstance(block, Heading):
        return [Paragraph(escape(block.text), styles[f"h{block.level}"])]
    if isinstance(block, Text):
        if block.kind in _BOXES:
            return [_box(block), Spacer(1, 2.5 * mm)]
        return [Paragraph(escape(block.text), styles[block.kind])]
    if isinstance(block, Table):
        return [_table(block, styles), Spacer(1, 2 * mm)]
    if isinstance(block, Picture):
        parts: list[Any] = [_image(block.data, WIDTH)]
        if block.caption:
            parts.append(Paragraph(escape(block.caption), styles["caption"]))
        return [KeepTogether([*parts, Spacer(1, 2 * mm)])]
    if isinstance(block, Pairs):
        return [Paragraph(escape(block.title), styles["h3"]), _pairs(block, styles), Spacer(1, 1 * mm)]
    assert isinstance(block, Break)
    return [PageBreak()]


def _box(block: Text) -> PdfTable:
    ink, paper = _BOXES[block.kind]
    style = _style("box", 10 if block.kind != "warning" else 9, block.kind != "warning", textColor=ink)
    made = PdfTable([[Paragraph(escape(block.text), style)]], colWidths=[WIDTH])
    made.setStyle(
        [
            ("BACKGROUND", (0, 0), (-1, -1), paper),
            ("LINEBEFORE", (0, 0), (0, -1), 3, ink),
            ("LEFTPADDING", (0, 0), (-1, -1), 9),
            ("TOPPADDING", (0, 0), (-1, -1), 5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 7),
        ]
    )
    return made


def _table(table: Table, styles: dict[str, ParagraphStyle]) -> PdfTable:
    rows = []
    if table.head:
        rows.append(
            [
                Paragraph(escape(cell), styles["head_number" if column in table.numbers else "head"])
                for column, cell in enumerate(table.head)
            ]
        )
    for row, cells in enumerate(table.rows):
        rows.append([Paragraph(escape(cell), styles[_cell(table, row, column)]) for column, cell in enumerate(cells)])
    made = PdfTable(rows, colWidths=[WIDTH * part for part in table.widths], repeatRows=1 if table.head else 0)
    shade = [("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#f0f2f5"))]
    if not table.head:
        shade = [("BACKGROUND", (0, 0), (0, -1), colors.HexColor("#f0f2f5"))]
    made.setStyle(
        [
            *shade,
            ("GRID", (0, 0), (-1, -1), 0.4, _LINE),
            ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
            ("LEFTPADDING", (0, 0), (-1, -1), 4),
            ("RIGHTPADDING", (0, 0), (-1, -1), 4),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
        ]
    )
    return made


def _cell(table: Table, row: int, column: int) -> str:
    state = table.states.get((row, column))
    if state:
        return f"cell_{state}"
    if not table.head and column == 0:
        return "head"
    return "number" if column in table.numbers else "cell"


def _image(data: bytes, width: float) -> Image:
    across, down = ImageReader(io.BytesIO(data)).getSize()
    return Image(io.BytesIO(data), width=width, height=width * down / across)


def _pairs(block: Pairs, styles: dict[str, ParagraphStyle]) -> PdfTable:
    """Return pictures in a grid: two rows, pictures and captions, for each :data:`ACROSS` pairs."""
    gap = 3 * mm
    width = WIDTH / ACROSS - gap
    rows: list[list[Any]] = []
    for start in range(0, len(block.pairs), ACROSS):
        some = block.pairs[start : start + ACROSS]
        rows.append([_pair(first, second, width) for first, second, _ in some] + [""] * (ACROSS - len(some)))
        rows.append(
            [Paragraph(escape(caption), styles["caption"]) for _, _, caption in some] + [""] * (ACROSS - len(some))
        )
    made = PdfTable(rows, colWidths=[WIDTH / ACROSS] * ACROSS)
    made.setStyle(
        [
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), gap),
            ("TOPPADDING", (0, 0), (-1, -1), 0),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ]
    )
    return made


def _pair(first: bytes | None, second: bytes | None, width: float) -> PdfTable:
    faces = ["" if data is None else _image(data, width / 2 - 1) for data in (first, second)]
    made = PdfTable([faces], colWidths=[width / 2] * 2)
    made.setStyle([(f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")])
    return made


def _numbered(document: Document) -> type[Canvas]:
    """Return a canvas that writes the footer once it knows how many pages there are."""
    words = Words(document.language)

    class Numbered(Canvas):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            self._states: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802
            self._states.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, state in enumerate(self._states):
                self.__dict__.update(state)
                self.setFont(NAME, 7.5)
                self.setFillColor(_GREY)
                self.drawString(MARGIN + 6, 10 * mm, document.footer)
                self.drawRightString(
                    A4[0] - MARGIN - 6, 10 * mm, words("page", page=number + 1, pages=len(self._states))
                )
                Canvas.showPage(self)
            Canvas.save(self)

    return Numbered
