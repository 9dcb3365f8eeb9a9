"""The HVM context and parameters of Xen's fully virtualised guests."""
