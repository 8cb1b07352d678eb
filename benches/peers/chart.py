"""Bar charts, as text and as self-contained SVG."""
from html import escape

COLORS = {"shaders": "#4c78a8", "CPU": "#72b7b2", "CUDA": "#e45756"}


def text(title, bars, width=40):
    """Text bars for (name, where, value)."""
    most = max((value for *_, value in bars), default=1)
    name_width = max((len(name) for name, *_ in bars), default=0)
    lines = [f"{name:{name_width}} {'█' * max(1, round(width * value / most))} {value:,.0f}" for name, _, value in bars]
    return "\n".join([title, *lines])


def svg(title, groups):
    """Stacked groups (title, bars), each bar (name, where, value), with a scale per group."""
    left, width, line = 230, 480, 18
    rows, y = [], 44
    for group, bars in groups:
        rows.append(f'<text x="8" y="{y}" font-weight="bold">{escape(group)}</text>')
        most = max((value for *_, value in bars), default=1)
        for name, where, value in bars:
            y += line
            length = max(1, width * value / most)
            rows.append(f'<text x="{left - 8}" y="{y}" text-anchor="end">{escape(name)}</text>'
                        f'<rect x="{left}" y="{y - 11}" width="{length:.0f}" height="13" fill="{COLORS[where]}"/>'
                        f'<text x="{left + length + 6:.0f}" y="{y}">{value:,.0f}</text>')
        y += 2 * line
    legend = "".join(f'<rect x="{left + 90 * i}" y="{y - 11}" width="13" height="13" fill="{color}"/>'
                     f'<text x="{left + 90 * i + 18}" y="{y}">{where}</text>'
                     for i, (where, color) in enumerate(COLORS.items()))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 100}" height="{y + 16}" '
            f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
            f'<text x="8" y="20" font-size="14">{escape(title)}</text>{"".join(rows)}{legend}</svg>\n')
