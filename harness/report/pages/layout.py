"""Where a wait-for graph is drawn: as a circle where it is one and there is room, else in layers. Pure."""

from __future__ import annotations

from lockstep.harness.report.pages.layers import layers
from lockstep.harness.report.pages.ring import around, ring
from lockstep.harness.report.pages.shapes import MARGIN, Arrow, Drawing, Point, box, path, points
from lockstep.harness.report.pages.wait_graph import WaitGraph


def drawing(graph: WaitGraph, across: bool, most: int) -> Drawing:
    """`across`: from left to right, else from top to bottom. `most`: characters of a line."""
    order = ring(graph) if across else ()
    if order:
        return around(graph, order, most)
    placed = layers(graph, [box(node, (0.0, 0.0), most) for node in graph.nodes], across)
    boxes = [box(node, middle, most) for node, middle in zip(graph.nodes, placed.middles, strict=True)]
    both = {(link.source, link.target) for link in graph.links}
    routes: list[tuple[list[Point], bool]] = []
    for link in graph.links:
        pair = (link.target, link.source) in both
        routes.append((points(boxes[link.source], boxes[link.target], placed.ways[link], pair), link.needs))
    spots = [spot for route, _ in routes for spot in route]
    spots += [spot for one in boxes for spot in ((one.left, one.top), (one.left + one.width, one.top + one.height))]
    left, top = min((x for x, _ in spots), default=0.0) - MARGIN, min((y for _, y in spots), default=0.0) - MARGIN
    width, height = (max((spot[axis] for spot in spots), default=0.0) + MARGIN for axis in (0, 1))
    moved = tuple(one._replace(x=one.x - left, y=one.y - top) for one in boxes)
    arrows = tuple(Arrow(path([(x - left, y - top) for x, y in route]), needs) for route, needs in routes)
    return Drawing(width - left, height - top, moved, arrows)
