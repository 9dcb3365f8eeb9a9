"""The HVM context and parameters of Xen's fully virtualised guests."""

from domctx_hvm.states import HVM_CONTEXT, HVM_PARAMS, HvmContext, HvmParams
from domctx_hvm.stored import StoredHvmContext, StoredHvmParams

__all__ = ["HVM_CONTEXT", "HVM_PARAMS", "HvmContext", "HvmParams", "StoredHvmContext", "StoredHvmParams"]
