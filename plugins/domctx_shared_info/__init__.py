"""The shared-info page: SHARED_INFO_PAGE, and Xen's own SHARED_INFO of a plain v10 image."""

from domctx_shared_info.stored import StoredSharedInfo

__all__ = ["StoredSharedInfo"]
