"""A web shop that everybody can picture: the system of the preset `demo`."""

from __future__ import annotations

from correlator.simulator.system import Blueprint, Bond, Tie, Vertex, VertexKind

_OWNERS = {
    "storefront": "gateway web-frontend mobile-api",
    "shopping": "checkout cart wishlist orders",
    "money": "payments fraud invoicing payments-db",
    "catalogue": "catalog search search-index recommendations reviews inventory inventory-db catalog-db",
    "logistics": "shipping warehouse orders-db",
    "platform": "auth auth-db config sessions-cache catalog-cache orders-events email notifications",
}

_KINDS = {
    VertexKind.DATASTORE: (
        "payments-db inventory-db catalog-db orders-db auth-db search-index sessions-cache catalog-cache"
    ),
    VertexKind.QUEUE: "orders-events",
    VertexKind.EXTERNAL: "card-network carrier-api",
    VertexKind.HOST: "node-01 node-02 node-03 node-04",
}

_TIER_ONE = ("gateway", "web-frontend", "mobile-api", "checkout", "cart", "payments", "payments-db", "auth", "auth-db")

_CALLS = {
    "gateway": "web-frontend mobile-api auth",
    "web-frontend": "search catalog cart checkout recommendations auth",
    "mobile-api": "search catalog cart checkout wishlist auth",
    "checkout": "cart payments inventory shipping orders auth",
    "cart": "catalog sessions-cache config",
    "wishlist": "catalog sessions-cache",
    "orders": "orders-db orders-events",
    "payments": "payments-db fraud config",
    "fraud": "payments-db config",
    "search": "search-index config",
    "catalog": "catalog-db catalog-cache",
    "recommendations": "catalog reviews",
    "reviews": "catalog-db",
    "inventory": "inventory-db",
    "shipping": "warehouse config",
    "warehouse": "inventory-db",
    "invoicing": "orders-db",
    "notifications": "email",
    "auth": "auth-db sessions-cache",
}
_CONSUMES = {"invoicing": "orders-events", "notifications": "orders-events", "warehouse": "orders-events"}
_DEPENDS_ON = {"payments": "card-network", "shipping": "carrier-api"}
_RUNS_ON = {
    "node-01": "gateway web-frontend mobile-api checkout cart wishlist",
    "node-02": "payments fraud invoicing orders shipping warehouse payments-db orders-db",
    "node-03": "search catalog recommendations reviews inventory search-index catalog-db catalog-cache",
    "node-04": "auth auth-db config sessions-cache inventory-db orders-events email notifications",
}


def shop() -> Blueprint:
    """Return the shop: 31 services, stores and queues, two externals, four hosts."""
    owner_of = {name: owner for owner, names in _OWNERS.items() for name in names.split()}
    kind_of = {name: kind for kind, names in _KINDS.items() for name in names.split()}
    vertices = [
        Vertex(
            name=name,
            kind=kind_of.get(name, VertexKind.SERVICE),
            owner=owner_of.get(name, "infrastructure" if kind_of.get(name) is VertexKind.HOST else None),
            tier=1 if name in _TIER_ONE else 2 if name in owner_of else None,
        )
        for name in sorted({*owner_of, *kind_of})
    ]
    ties = [
        *_ties(_CALLS, Bond.CALLS),
        *_ties(_CONSUMES, Bond.CONSUMES),
        *_ties(_DEPENDS_ON, Bond.DEPENDS_ON),
        *(
            Tie(dependent=name, dependency=host, bond=Bond.RUNS_ON)
            for host, names in _RUNS_ON.items()
            for name in names.split()
        ),
    ]
    return Blueprint(vertices=tuple(vertices), ties=tuple(ties))


def _ties(table: dict[str, str], bond: Bond) -> list[Tie]:
    return [
        Tie(dependent=dependent, dependency=dependency, bond=bond)
        for dependent, names in table.items()
        for dependency in names.split()
    ]
