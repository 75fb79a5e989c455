"""Which collectives never pair: measured and written by `python -m benchmarks.pairing`; not to be edited by hand.

For each library and version, for each operation that a rank waits in, those that another rank may have entered in its place
with the same number and for which the rank then never came out. `@root`: entered as its root; `@leaf`: with another rank as
its root; `i...`: non-blocking. `RANKS` tells with how many ranks.
"""

# fmt: off
RANKS: dict[tuple[str, str], tuple[int, ...]] = {
    ("gloo", "2.13.0"): (2, 3),
}

NEVER: dict[tuple[str, str], dict[str, str]] = {
    ("gloo", "2.13.0"): {
        "all_gather": (
            "all_reduce all_reduce_coalesced all_to_all all_to_all_single barrier broadcast gather monitored_barrier "
            "reduce reduce_scatter reduce_scatter_tensor reduce_scatter_tensor_coalesced scatter"
        ),
        "all_gather_coalesced": (
            "all_reduce all_reduce_coalesced all_to_all all_to_all_single barrier broadcast gather monitored_barrier "
            "reduce reduce_scatter reduce_scatter_tensor reduce_scatter_tensor_coalesced scatter"
        ),
        "all_gather_into_tensor": (
            "all_reduce all_reduce_coalesced all_to_all all_to_all_single barrier broadcast gather monitored_barrier "
            "reduce reduce_scatter reduce_scatter_tensor reduce_scatter_tensor_coalesced scatter"
        ),
        "all_gather_into_tensor_coalesced": (
            "all_reduce all_reduce_coalesced all_to_all all_to_all_single barrier broadcast gather monitored_barrier "
            "reduce reduce_scatter reduce_scatter_tensor reduce_scatter_tensor_coalesced scatter"
        ),
        "all_reduce": (
            "all_gather all_gather_coalesced all_gather_into_tensor all_gather_into_tensor_coalesced all_to_all "
            "all_to_all_single barrier broadcast gather monitored_barrier reduce scatter"
        ),
        "all_reduce_coalesced": (
            "all_gather all_gather_coalesced all_gather_into_tensor all_gather_into_tensor_coalesced all_to_all "
            "all_to_all_single barrier broadcast gather monitored_barrier reduce scatter"
        ),
        "all_to_all": (
            "all_gather all_gather_coalesced all_gather_into_tensor all_gather_into_tensor_coalesced all_reduce "
            "all_reduce_coalesced barrier broadcast gather monitored_barrier reduce reduce_scatter "
            "reduce_scatter_tensor reduce_scatter_tensor_coalesced scatter"
        ),
        "all_to_all_single": (
            "all_gather all_gather_coalesced all_gather_into_tensor all_gather_into_tensor_coalesced all_reduce "
            "all_reduce_coalesced barrier broadcast gather monitored_barrier reduce reduce_scatter "
            "reduce_scatter_tensor reduce_scatter_tensor_coalesced scatter"
        ),
        "barrier": (
            "all_gather all_gather_coalesced all_gather_into_tensor all_gather_into_tensor_coalesced all_reduce "
            "all_reduce_coalesced all_to_all all_to_all_single broadcast gather monitored_barrier reduce "
            "reduce_scatter reduce_scatter_tensor reduce_scatter_tensor_coalesced scatter"
        ),
        "broadcast": (
            "all_gather all_gather_coalesced all_gather_into_tensor all_gather_into_tensor_coalesced all_reduce "
            "all_reduce_coalesced all_to_all all_to_all_single barrier gather monitored_barrier reduce reduce_scatter "
            "reduce_scatter_tensor reduce_scatter_tensor_coalesced scatter"
        ),
        "broadcast@leaf": (
            "broadcast@leaf"
        ),
        "broadcast@root": (
            "broadcast@root"
        ),
        "gather": (
            "all_gather all_gather_coalesced all_gather_into_tensor all_gather_into_tensor_coalesced all_reduce "
            "all_reduce_coalesced all_to_all all_to_all_single barrier broadcast monitored_barrier reduce "
            "reduce_scatter reduce_scatter_tensor reduce_scatter_tensor_coalesced scatter"
        ),
        "gather@leaf": (
            "gather@leaf"
        ),
        "gather@root": (
            "gather@root"
        ),
        "monitored_barrier": (
            "all_gather all_gather_coalesced all_gather_into_tensor all_gather_into_tensor_coalesced all_reduce "
            "all_reduce_coalesced all_to_all all_to_all_single barrier broadcast gather reduce reduce_scatter "
            "reduce_scatter_tensor reduce_scatter_tensor_coalesced scatter"
        ),
        "reduce": (
            "all_gather all_gather_coalesced all_gather_into_tensor all_gather_into_tensor_coalesced all_reduce "
            "all_reduce_coalesced all_to_all all_to_all_single barrier broadcast gather monitored_barrier "
            "reduce_scatter reduce_scatter_tensor reduce_scatter_tensor_coalesced scatter"
        ),
        "reduce@leaf": (
            "reduce@leaf"
        ),
        "reduce@root": (
            "reduce@root"
        ),
        "reduce_scatter": (
            "all_gather all_gather_coalesced all_gather_into_tensor all_gather_into_tensor_coalesced all_reduce "
            "all_to_all all_to_all_single barrier broadcast gather monitored_barrier reduce scatter"
        ),
        "reduce_scatter_tensor": (
            "all_gather all_gather_coalesced all_gather_into_tensor all_gather_into_tensor_coalesced all_to_all "
            "all_to_all_single barrier broadcast gather monitored_barrier reduce scatter"
        ),
        "reduce_scatter_tensor_coalesced": (
            "all_gather all_gather_coalesced all_gather_into_tensor all_gather_into_tensor_coalesced all_to_all "
            "all_to_all_single barrier broadcast gather monitored_barrier reduce scatter"
        ),
        "scatter": (
            "all_gather all_gather_coalesced all_gather_into_tensor all_gather_into_tensor_coalesced all_reduce "
            "all_reduce_coalesced all_to_all all_to_all_single barrier broadcast gather monitored_barrier reduce "
            "reduce_scatter reduce_scatter_tensor reduce_scatter_tensor_coalesced"
        ),
        "scatter@leaf": (
            "scatter@leaf"
        ),
        "scatter@root": (
            "scatter@root"
        ),
    },
}
