"""The pages of a portfolio's layouts: HTML for people with a browser, Markdown for who reads the repository.

``words`` says what a layout holds, in sentences that both use; ``example`` makes a file of it; ``ruler`` places its
fields; ``markdown`` and ``html`` render. Every fact comes from the layout's own document, so that the pages cannot say
anything else; ``atom layout check`` compares them.
"""

from __future__ import annotations

from pathlib import Path

from atom_pipeline.layout.catalogue import Catalogue


def pages(catalogue: Catalogue, folder: Path) -> dict[Path, str]:
    """Every page of a portfolio by its path below ``folder``: two per layout, and the lists of them."""
    from atom_pipeline.pages import html, markdown
    from atom_pipeline.pages.example import Examples

    home = folder / catalogue.portfolio.portfolio
    out = {home / "README.md": markdown.index_page(catalogue), home / "index.html": html.index_page(catalogue)}
    examples = Examples(catalogue)
    for name, layout in catalogue.layouts.items():
        out[home / f"{name}.md"] = markdown.layout_page(layout, catalogue.portfolio, examples)
        out[home / f"{name}.html"] = html.layout_page(layout, catalogue, examples)
    return out
