"""A wait-for graph that is one circle, the commonest knot by far, drawn as one. Pure."""

from __future__ import annotations

from lockstep.harness.report.pages.shapes import GAP, MARGIN, Arrow, Box, Drawing, box, path, points
from lockstep.harness.report.pages.wait_graph import WaitGraph

FEWEST, MOST = 4, 12  # nodes


def ring(graph: WaitGraph) -> tuple[int, ...]:
    """The nodes in their order, where they are one circle and nothing else; else none."""
    follows = {link.source: link.target for link in graph.links}
    if not FEWEST <= len(graph.nodes) == len(graph.links) == len(follows) <= MOST:
        return ()
    found = [0]
    while (following := follows.get(found[-1], 0)) not in found:
        found.append(following)
    return tuple(found) if len(found) == len(graph.nodes) else ()


def around(graph: WaitGraph, order: tuple[int, ...], most: int) -> Drawing:
    """To the right above, back below. `order`: as `ring` gives it; an even number, since ranks and operations alternate."""
    half = len(order) // 2
    columns = list(zip(order[:half], order[: half - 1 : -1], strict=True))
    plain = [box(node, (0.0, 0.0), most) for node in graph.nodes]
    heights = [max(plain[pair[row]].height for pair in columns) for row in (0, 1)]
    middles = MARGIN + heights[0] / 2, MARGIN + heights[0] + GAP + heights[1] / 2
    placed: dict[int, Box] = {}
    left = MARGIN
    for pair in columns:
        width = max(plain[at].width for at in pair)
        placed.update({at: plain[at]._replace(x=left + width / 2, y=middles[row]) for row, at in enumerate(pair)})
        left += width + GAP * 1.6
    boxes = tuple(placed[at] for at in range(len(order)))
    arrows = tuple(
        Arrow(path(points(boxes[link.source], boxes[link.target], [], pair=False)), link.needs) for link in graph.links
    )
    return Drawing(left - GAP * 1.6 + MARGIN, 2 * MARGIN + sum(heights) + GAP, boxes, arrows)
