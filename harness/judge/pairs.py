"""Which collectives never pair: measured and written by `python -m benchmarks.pairing`; not to be edited by hand.

For each library and version, for each operation that a rank waits in, those that another rank may have entered in its place
with the same number and for which the rank then never came out. `@root`: entered as its root; `@leaf`: with another rank as
its root; `i...`: non-blocking. `RANKS` tells with how many ranks.
"""

# fmt: off
RANKS: dict[tuple[str, str], tuple[int, ...]] = {
    ("MPICH", "5.0.2"): (2,),
    ("gloo", "2.13.0"): (2, 3),
}

NEVER: dict[tuple[str, str], dict[str, str]] = {
    ("MPICH", "5.0.2"): {
        "allgather": (
            "allreduce alltoall barrier bcast@leaf bcast@root create dup exscan gather@leaf gather@root iallgather "
            "iallreduce ialltoall ibarrier ibcast@leaf ibcast@root iexscan igather@leaf igather@root ireduce@leaf "
            "ireduce@root ireduce_scatter iscan iscatter@leaf iscatter@root reduce@leaf reduce@root reduce_scatter "
            "scan scatter@leaf scatter@root"
        ),
        "allreduce": (
            "allgather alltoall barrier bcast@leaf bcast@root exscan gather@leaf gather@root iallgather iallreduce "
            "ialltoall ibarrier ibcast@leaf ibcast@root iexscan igather@leaf igather@root ireduce@leaf ireduce@root "
            "ireduce_scatter iscan iscatter@leaf iscatter@root reduce_scatter scan scatter@leaf scatter@root split "
            "split_type"
        ),
        "alltoall": (
            "allgather allreduce barrier bcast@leaf bcast@root create dup exscan gather@leaf gather@root iallgather "
            "iallreduce ialltoall ibarrier ibcast@leaf ibcast@root iexscan igather@leaf igather@root ireduce@leaf "
            "ireduce@root ireduce_scatter iscan iscatter@leaf iscatter@root reduce@leaf reduce@root reduce_scatter "
            "scan scatter@leaf scatter@root split split_type"
        ),
        "barrier": (
            "allgather allreduce alltoall bcast@leaf bcast@root create dup exscan gather@leaf gather@root iallgather "
            "iallreduce ialltoall ibarrier ibcast@leaf ibcast@root iexscan igather@leaf igather@root ireduce@leaf "
            "ireduce@root ireduce_scatter iscan iscatter@leaf iscatter@root reduce@leaf reduce@root reduce_scatter "
            "scan scatter@leaf scatter@root split split_type"
        ),
        "bcast@leaf": (
            "allgather allreduce alltoall barrier bcast@leaf create dup exscan gather@leaf gather@root iallgather "
            "iallreduce ialltoall ibarrier ibcast@root iexscan igather@leaf igather@root ireduce@leaf ireduce@root "
            "ireduce_scatter iscan iscatter@leaf iscatter@root reduce@leaf reduce@root reduce_scatter scan "
            "scatter@leaf scatter@root split split_type"
        ),
        "create": (
            "allgather alltoall barrier bcast@leaf bcast@root gather@leaf gather@root iallgather iallreduce ialltoall "
            "ibarrier ibcast@leaf ibcast@root iexscan igather@leaf igather@root ireduce@leaf ireduce@root "
            "ireduce_scatter iscan iscatter@leaf iscatter@root reduce_scatter scatter@leaf scatter@root split "
            "split_type"
        ),
        "dup": (
            "allgather alltoall barrier bcast@leaf bcast@root gather@leaf gather@root iallgather iallreduce ialltoall "
            "ibarrier ibcast@leaf ibcast@root iexscan igather@leaf igather@root ireduce@leaf ireduce@root "
            "ireduce_scatter iscan iscatter@leaf iscatter@root reduce_scatter scatter@leaf scatter@root split "
            "split_type"
        ),
        "exscan": (
            "allgather alltoall barrier bcast@leaf bcast@root create dup gather@leaf gather@root iallgather iallreduce "
            "ialltoall ibarrier ibcast@leaf ibcast@root iexscan igather@leaf igather@root ireduce@leaf ireduce@root "
            "ireduce_scatter iscan iscatter@leaf iscatter@root reduce_scatter scatter@leaf scatter@root split "
            "split_type"
        ),
        "gather@root": (
            "allgather allreduce alltoall barrier bcast@leaf bcast@root create dup exscan gather@root iallgather "
            "iallreduce ialltoall ibarrier ibcast@leaf ibcast@root iexscan igather@leaf ireduce@leaf ireduce@root "
            "ireduce_scatter iscan iscatter@leaf iscatter@root reduce@leaf reduce@root reduce_scatter scan "
            "scatter@leaf scatter@root split split_type"
        ),
        "iallgather": (
            "allgather allreduce alltoall barrier bcast@leaf bcast@root create dup exscan gather@leaf gather@root "
            "ibcast@leaf ibcast@root igather@root ireduce@leaf ireduce@root iscatter@leaf reduce@leaf reduce@root "
            "reduce_scatter scan scatter@leaf scatter@root split split_type"
        ),
        "iallreduce": (
            "allgather allreduce alltoall barrier bcast@leaf bcast@root create dup exscan gather@leaf gather@root "
            "ibcast@leaf ibcast@root igather@root ireduce@leaf ireduce@root iscatter@leaf reduce@leaf reduce@root "
            "reduce_scatter scan scatter@leaf scatter@root split split_type"
        ),
        "ialltoall": (
            "allgather allreduce alltoall barrier bcast@leaf bcast@root create dup exscan gather@leaf gather@root "
            "ibcast@leaf ibcast@root igather@root ireduce@leaf ireduce@root iscatter@leaf reduce@leaf reduce@root "
            "reduce_scatter scan scatter@leaf scatter@root split split_type"
        ),
        "ibarrier": (
            "allgather allreduce alltoall barrier bcast@leaf bcast@root create dup exscan gather@leaf gather@root "
            "ibcast@leaf ibcast@root igather@root ireduce@leaf ireduce@root iscatter@leaf reduce@leaf reduce@root "
            "reduce_scatter scan scatter@leaf scatter@root split split_type"
        ),
        "ibcast@leaf": (
            "allgather allreduce alltoall barrier bcast@root create dup exscan gather@leaf gather@root iallgather "
            "iallreduce ialltoall ibarrier ibcast@leaf iexscan igather@leaf igather@root ireduce_scatter iscan "
            "iscatter@leaf iscatter@root reduce@leaf reduce@root reduce_scatter scan scatter@leaf scatter@root split "
            "split_type"
        ),
        "iexscan": (
            "allgather allreduce alltoall barrier bcast@leaf bcast@root create dup exscan gather@leaf gather@root "
            "ibcast@leaf ibcast@root igather@root ireduce@leaf ireduce@root iscatter@leaf reduce@leaf reduce@root "
            "reduce_scatter scan scatter@leaf scatter@root split split_type"
        ),
        "igather@root": (
            "allgather allreduce alltoall barrier bcast@leaf bcast@root create dup exscan gather@leaf ibcast@leaf "
            "ibcast@root igather@root ireduce@leaf ireduce@root iscatter@leaf reduce@leaf reduce@root reduce_scatter "
            "scan scatter@leaf scatter@root split split_type"
        ),
        "ireduce@root": (
            "allgather allreduce alltoall barrier bcast@leaf bcast@root create dup exscan gather@leaf gather@root "
            "iallgather iallreduce ialltoall ibarrier ibcast@leaf iexscan igather@leaf igather@root ireduce@root "
            "ireduce_scatter iscan iscatter@leaf iscatter@root reduce@leaf reduce_scatter scan scatter@leaf "
            "scatter@root split split_type"
        ),
        "ireduce_scatter": (
            "allgather allreduce alltoall barrier bcast@leaf bcast@root create dup exscan gather@leaf gather@root "
            "ibcast@leaf ibcast@root igather@root ireduce@leaf ireduce@root iscatter@leaf reduce@leaf reduce@root "
            "reduce_scatter scan scatter@leaf scatter@root split split_type"
        ),
        "iscan": (
            "allgather allreduce alltoall barrier bcast@leaf bcast@root create dup exscan gather@leaf gather@root "
            "ibcast@leaf ibcast@root igather@root ireduce@leaf ireduce@root iscatter@leaf reduce@leaf reduce@root "
            "reduce_scatter scan scatter@leaf scatter@root split split_type"
        ),
        "iscatter@leaf": (
            "allgather allreduce alltoall barrier bcast@leaf bcast@root create dup exscan gather@leaf gather@root "
            "ibcast@leaf ibcast@root igather@root ireduce@leaf ireduce@root iscatter@leaf reduce@leaf reduce@root "
            "reduce_scatter scan scatter@root split split_type"
        ),
        "reduce@root": (
            "allgather alltoall barrier bcast@leaf bcast@root create dup gather@leaf gather@root iallgather iallreduce "
            "ialltoall ibarrier ibcast@leaf ibcast@root iexscan igather@leaf igather@root ireduce@leaf ireduce_scatter "
            "iscan iscatter@leaf iscatter@root reduce_scatter scatter@leaf scatter@root split split_type"
        ),
        "reduce_scatter": (
            "allgather allreduce alltoall barrier bcast@leaf bcast@root create dup exscan gather@leaf gather@root "
            "iallgather iallreduce ialltoall ibarrier ibcast@leaf ibcast@root iexscan igather@leaf igather@root "
            "ireduce@leaf ireduce@root ireduce_scatter iscan iscatter@leaf iscatter@root reduce@leaf reduce@root scan "
            "scatter@leaf scatter@root split split_type"
        ),
        "scan": (
            "allgather alltoall barrier bcast@leaf bcast@root create dup gather@leaf gather@root iallgather iallreduce "
            "ialltoall ibarrier ibcast@leaf ibcast@root iexscan igather@leaf igather@root ireduce@leaf ireduce@root "
            "ireduce_scatter iscan iscatter@leaf iscatter@root reduce_scatter scatter@leaf scatter@root split "
            "split_type"
        ),
        "scatter@leaf": (
            "allgather allreduce alltoall barrier bcast@leaf bcast@root create dup exscan gather@leaf gather@root "
            "iallgather iallreduce ialltoall ibarrier ibcast@leaf ibcast@root iexscan igather@leaf igather@root "
            "ireduce@leaf ireduce@root ireduce_scatter iscan iscatter@root reduce@leaf reduce@root reduce_scatter scan "
            "scatter@leaf split split_type"
        ),
        "split": (
            "allreduce alltoall barrier bcast@leaf bcast@root create dup exscan gather@leaf gather@root iallgather "
            "iallreduce ialltoall ibarrier ibcast@leaf ibcast@root iexscan igather@leaf igather@root ireduce@leaf "
            "ireduce@root ireduce_scatter iscan iscatter@leaf iscatter@root reduce@leaf reduce@root reduce_scatter "
            "scan scatter@leaf scatter@root"
        ),
        "split_type": (
            "allreduce alltoall barrier bcast@leaf bcast@root create dup exscan gather@leaf gather@root iallgather "
            "iallreduce ialltoall ibarrier ibcast@leaf ibcast@root iexscan igather@leaf igather@root ireduce@leaf "
            "ireduce@root ireduce_scatter iscan iscatter@leaf iscatter@root reduce@leaf reduce@root reduce_scatter "
            "scan scatter@leaf scatter@root split"
        ),
    },
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
