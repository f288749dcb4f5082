//! What every file of ours is made of: addresses, checksummed frames, pages and
//! the pool that caches them, and where files are.

pub(in crate::engine) mod address;
pub(in crate::engine) mod buffer_pool;
pub(in crate::engine) mod file_header;
pub(in crate::engine) mod frame;
pub(in crate::engine) mod page;
pub(in crate::engine) mod paths;
pub(in crate::engine) mod sealed;
