"""A wait-for graph in layers, by Sugiyama's algorithm, as grandalf has it.

grandalf knows no circles, and leaves nodes upon each other at times: both are seen to here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from grandalf.graphs import Edge, Graph, Vertex
from grandalf.layouts import SugiyamaLayout

from lockstep.harness.report.pages.shapes import GAP, Box, Point
from lockstep.harness.report.pages.wait_graph import Link, WaitGraph

LANE = 8.0  # what a link takes beside the nodes of a layer
SPACE = 22.0  # between nodes of one layer
ROUNDS = 4  # in which crossings are taken out


class _View:
    """What grandalf asks of a node, and where it puts its answer."""

    def __init__(self, width: float, height: float) -> None:
        self.w, self.h, self.xy = width, height, (0.0, 0.0)


class _Route:
    """What grandalf tells the points of a link to."""

    def __init__(self) -> None:
        self.points: list[Point] = []

    def setpath(self, points: list[Point]) -> None:
        """The points, from end to end."""
        self.points = list(points)


@dataclass(frozen=True, slots=True)
class Layers:
    """The middles of nodes, from layer to layer downwards, and the points of links beside the nodes between them."""

    middles: tuple[Point, ...]
    ways: dict[Link, list[Point]]


def layers(graph: WaitGraph, boxes: list[Box], across: bool) -> Layers:
    """`across`: layers from left to right."""
    vertices = [Vertex(at) for at in range(len(boxes))]
    for vertex, one in zip(vertices, boxes, strict=True):
        vertex.view = _View(one.height, one.width) if across else _View(one.width, one.height)
    routes = {pair: _Route() for pair in _downwards(graph)}
    edges = [Edge(vertices[source], vertices[target]) for source, target in routes]
    for edge, route in zip(edges, routes.values(), strict=True):
        edge.view = route
    beside = 0.0
    halves: dict[float, float] = {}  # of each layer
    for part in Graph(vertices, edges).C:
        layout = SugiyamaLayout(part)
        layout.xspace, layout.yspace = SPACE, GAP
        layout.route_edge = lambda edge, points: None
        layout.dw = layout.dh = LANE
        layout.init_all()
        layout.draw(ROUNDS)
        beside = _apart(layout, beside)
        layout.draw_edges()
        for vertex in part.sV:
            halves[vertex.view.xy[1]] = max(halves.get(vertex.view.xy[1], 0.0), vertex.view.h / 2)
    turn = (lambda point: (point[1], point[0])) if across else (lambda point: point)
    ways = {link: [turn(point) for point in _way(routes, link, halves)] for link in graph.links}
    return Layers(tuple(turn(vertex.view.xy) for vertex in vertices), ways)


def _downwards(graph: WaitGraph) -> list[tuple[int, int]]:
    """The links between different nodes, once each, turned so that they make no circle: grandalf's layers know none.

    What leads back on a walk from the first node, who is blamed where somebody is, is turned.
    """
    follows: dict[int, list[int]] = {at: [] for at in range(len(graph.nodes))}
    for link in graph.links:
        follows[link.source].append(link.target)
    found: dict[tuple[int, int], None] = {}
    done: set[int] = set()
    for start in follows:
        if start in done:
            continue
        path = [(start, iter(follows[start]))]
        inside = {start}
        while path:
            at, rest = path[-1]
            target = next(rest, None)
            if target is None:
                path.pop()
                inside.discard(at)
                done.add(at)
            elif target in inside:
                found.setdefault((target, at))
            else:
                found.setdefault((at, target))
                if target not in done:
                    inside.add(target)
                    path.append((target, iter(follows[target])))
    return [pair for pair in found if (pair[1], pair[0]) not in found or pair[0] < pair[1]]


def _way(routes: Mapping[tuple[int, int], _Route], link: Link, halves: Mapping[float, float]) -> list[Point]:
    """The points of a link between its ends, from source to target. Past a layer it goes beside its nodes, not across."""
    turned = (link.source, link.target) not in routes
    route = routes.get((link.target, link.source) if turned else (link.source, link.target))
    way: list[Point] = []
    for x, y in route.points[1:-1] if route else []:
        half = halves.get(y, 0.0)
        way += [(x, y - half), (x, y + half)]
    return way[::-1] if turned else way


def _apart(layout: SugiyamaLayout, beside: float) -> float:
    """Move apart what lies upon each other in a layer, as grandalf leaves it at times, and all of it to the right of
    `beside`; where the next part of the graph begins."""
    views = [vertex.view for layer in layout.layers for vertex in layer]
    for layer in layout.layers:
        right = float("-inf")
        for vertex in layer:
            x, y = vertex.view.xy
            x = max(x, right + layout.xspace + vertex.view.w / 2)
            vertex.view.xy = (x, y)
            right = x + vertex.view.w / 2
    left = min(view.xy[0] - view.w / 2 for view in views)
    for view in views:
        view.xy = (view.xy[0] - left + beside, view.xy[1])
    return float(max(view.xy[0] + view.w / 2 for view in views)) + GAP
